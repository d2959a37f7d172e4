/** A log keeps what it acknowledged, and no change to it goes unseen. */
import { mkdtempSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { LogEntry } from '@celium/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyFromUri } from '../keys/key-pair.ts';
import { verifyDocument } from '../signing/documents.ts';
import { EMPTY_LOG_HASH, isEquivocation, nextLogEntry, replayLog, type LogPosition } from './log-hash.ts';
import { SqliteLog } from './sqlite-log.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function chain(bodies: unknown[]): LogEntry[] {
  let position: LogPosition = { height: 0, hash: EMPTY_LOG_HASH };
  return bodies.map((body, index) => {
    const entry = nextLogEntry(position, 'test', body, 1_000 + index);
    position = { height: entry.seq, hash: entry.hash };
    return entry;
  });
}

test('a log replays to the head that was signed', async () => {
  const log = new SqliteLog(join(folder, 'log.sqlite'));
  log.append('grant', { lease: 'a', amount: 12n }, 1_000);
  log.append('receipt', { pass: true }, 1_001);
  const head = await log.signHead(keyFromUri('//Alice'), 1_002);
  expect(verifyDocument('log-head', head).ok).toBe(true);
  expect(replayLog(JSON.parse(JSON.stringify([...log.all()])) as unknown[], { head: head.body })).toEqual({
    ok: true,
    position: { height: 2, hash: head.body.hash },
  });
  expect(log.verify().ok).toBe(true);
  log.close();
});

test('a log goes on where it ended, and takes one writer at a time', () => {
  const file = join(folder, 'log.sqlite');
  const first = new SqliteLog(file);
  first.append('a', 1, 1);
  expect(() => new SqliteLog(file)).toThrow(/another process/);
  first.close();
  const second = new SqliteLog(file);
  expect(second.append('b', 2, 2).seq).toBe(2);
  expect(second.entries(2)).toMatchObject([{ seq: 2, kind: 'b' }]);
  expect(second.verify().ok).toBe(true);
  second.close();
});

test('every entry that was acknowledged is there after kill -9', () => {
  const file = join(folder, 'log.sqlite');
  const script = `
    import { SqliteLog } from ${JSON.stringify(new URL('./sqlite-log.ts', import.meta.url).href)};
    const log = new SqliteLog(${JSON.stringify(file)});
    for (let n = 0; n < 50; n += 1) process.stdout.write(log.append('n', { n }, n).hash + '\\n');
    process.kill(process.pid, 'SIGKILL');
  `;
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(signal).toBe('SIGKILL');
  const acknowledged = stdout.trim().split('\n');
  expect(acknowledged.length).toBeGreaterThan(0);
  const log = new SqliteLog(file);
  const hashes = [...log.all()].map((entry) => entry.hash);
  expect(hashes.slice(0, acknowledged.length)).toEqual(acknowledged);
  expect(log.verify().ok).toBe(true);
  log.close();
});

test('the first difference is named: changed, left out, inserted or cut off', () => {
  const entries = chain(['a', 'b', 'c', 'd']);
  const reason = (log: unknown[], head?: LogPosition): unknown => {
    const replayed = replayLog(log, head ? { head } : {});
    return replayed.ok ? 'ok' : [replayed.seq, replayed.reason];
  };
  const last = entries[3];
  const head = { height: 4, hash: last?.hash ?? '' };
  expect(reason(entries, head)).toBe('ok');
  expect(reason(entries.map((entry) => (entry.seq === 2 ? { ...entry, body: 'x' } : entry)))).toEqual([
    2,
    'wrong-hash',
  ]);
  expect(reason(entries.filter((entry) => entry.seq !== 3))).toEqual([3, 'gap']);
  expect(reason([entries[0], entries[0]])).toEqual([2, 'gap']);
  expect(reason(entries.slice(0, 2), head)).toEqual([3, 'too-short']);
  expect(reason(chain(['a', 'b', 'c', 'x']), head)).toEqual([4, 'wrong-head']);
  expect(reason([{ seq: 1 }])).toEqual([1, 'malformed']);
  const forked = chain(['z', 'b']);
  expect(reason([entries[0], forked[1]])).toEqual([2, 'wrong-previous']);
  expect(isEquivocation(head, { height: 4, hash: 'ff'.repeat(32) })).toBe(true);
});

test('a field that this version does not know is part of the hash', () => {
  const [entry] = chain(['a']);
  expect(replayLog([{ ...entry, added: 1 }])).toMatchObject({ ok: false, reason: 'wrong-hash' });
});

test('any body survives, and any change to any entry is found', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 6 }), fc.nat(5), (bodies, at) => {
      const entries = chain(bodies);
      const wire = JSON.parse(JSON.stringify(entries)) as LogEntry[];
      expect(replayLog(wire).ok).toBe(true);
      const changed = wire.map((entry, index) =>
        index === at % wire.length ? { ...entry, atMs: entry.atMs + 1 } : entry,
      );
      expect(replayLog(changed)).toMatchObject({ ok: false, seq: (at % wire.length) + 1 });
    }),
  );
});
