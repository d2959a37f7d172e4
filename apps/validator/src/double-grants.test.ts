/** A machine that leases a unit twice is convicted by its own signatures: its checks fail, its score is zero, and the evidence convinces others. */

import { EMPTY_LOG_HASH, checkDoubleGrant, keyFromUri, nextLogEntry, signDocument } from '@celium/chain';
import type { DoubleGrantFile, LogEntry, Signed } from '@celium/contract';
import { PUBLISHED_WITHIN_MS } from '@celium/domain';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkMachine } from './check/check-machine.ts';
import { findDoubleGrants, type DoubleGrantPorts } from './double-grants.ts';
import { GrantBook } from './state/grant-book.ts';
import { openCheckBench, type CheckBench } from './testing/check-bench.ts';

const MARKET = keyFromUri('//market');
const never = new AbortController().signal;
let bench: CheckBench;
let lines: Array<Record<string, unknown>>;
let log: LogEntry[];
beforeEach(() => {
  bench = openCheckBench();
  lines = [];
  log = [];
});
afterEach(() => bench.close());

const note = (kind: string, body: object): void => {
  const last = log.at(-1);
  log.push(nextLogEntry({ height: log.length, hash: last?.hash ?? EMPTY_LOG_HASH }, kind, body, Date.now()));
};
const logGrant = ({ body: { leaseId, units, fence, issuedAtMs } }: Signed<'grant'>): void =>
  note('grant', { leaseId, units, fence, issuedAtMs });
const key = (): string => bench.known.machine.machineKey;
const book = (): GrantBook => new GrantBook(bench.database);

/** A grant of the machine, as a busy refusal would show it. */
async function granted(fence: number): Promise<Signed<'grant'>> {
  const { body } = await bench.agent.leaseTo(MARKET, bench.known.machine.units);
  const grant = await signDocument('grant', { ...body, fence, issuedAtMs: Date.now() }, bench.agent.key);
  bench.agent.leases.clear();
  return grant;
}

/** Looks at the machine `laterMs` from now. */
async function examine(laterMs = PUBLISHED_WITHIN_MS): Promise<void> {
  const nowMs = Date.now() + laterMs;
  const head = await signDocument(
    'log-head',
    { height: log.length, hash: log.at(-1)?.hash ?? EMPTY_LOG_HASH, atMs: nowMs },
    bench.agent.key,
  );
  const ports: DoubleGrantPorts = {
    clock: { ...bench.ports.clock, unixMs: () => nowMs },
    directory: { machines: () => [bench.known] },
    grants: book(),
    receipts: bench.ports.receipts,
    readLog: async (_agent, from) => ({ height: log.length, head, entries: log.slice(from - 1) }),
    report: (line) => void lines.push(line),
  };
  await findDoubleGrants(ports, never);
}

test('a grant that the machine shows to one and hides from its log fails its checks, and the evidence convinces others', async () => {
  const [first, hidden] = [await granted(10), await granted(20)];
  logGrant(first);
  book().note(key(), hidden, Date.now());
  await examine(0);
  expect(lines).toEqual([]);
  await examine();
  expect(lines).toMatchObject([{ event: 'alarm', code: 'DOUBLE_GRANT', machineKey: key() }]);
  const evidence = book().evidence(key(), Date.now())!;
  expect(checkDoubleGrant(evidence)).toMatchObject({
    ok: true,
    finding: { proof: 'hidden', leaseIds: [hidden.body.leaseId] },
  });
  expect(bench.ports.receipts.logEntries(1, 10).map(({ kind }) => kind)).toEqual(['double-grant']);
  expect(book().convicted(Date.now())).toEqual(new Set([key()]));
  const report = await checkMachine(bench.ports, bench.known, bench.known.machine.units, never);
  expect(report.kind === 'checked' && report.units[0]?.receipt.body).toMatchObject({
    verdict: 'fail',
    reason: { code: 'DOUBLE_GRANT' },
  });
});

test('two grants of one fence, and a log that shows the second before the end of the first, convict as well', async () => {
  const [one, twin] = [await granted(10), await granted(10)];
  for (const grant of [one, twin]) book().note(key(), grant, Date.now());
  await examine();
  expect(checkDoubleGrant(book().evidence(key(), Date.now())!)).toMatchObject({
    ok: true,
    finding: { proof: 'fence' },
  });
  bench.close();
  bench = openCheckBench();
  const [first, second] = [await granted(10), await granted(20)];
  for (const grant of [first, second]) logGrant(grant);
  book().note(key(), second, Date.now());
  await examine();
  expect(checkDoubleGrant(book().evidence(key(), Date.now())!)).toMatchObject({
    ok: true,
    finding: { proof: 'overlap' },
  });
});

test('an honest machine is not convicted: neither by leases that follow each other, nor by a log that it lost', async () => {
  const [first, second, third] = [await granted(10), await granted(20), await granted(30)];
  logGrant(first);
  note('lease-ended', { leaseId: first.body.leaseId });
  logGrant(second);
  for (const grant of [first, second]) book().note(key(), grant, Date.now());
  await examine();
  log = [];
  logGrant(third);
  book().note(key(), third, Date.now());
  await examine();
  expect(lines).toEqual([]);
  expect(book().evidence(key(), Date.now())).toBeNull();
});

test('evidence that somebody else signed or changed convicts nobody', async () => {
  const [one, twin] = [await granted(10), await granted(10)];
  const file = {
    form: 'celium/double-grant-file/1' as const,
    machineKey: key(),
    grants: [one, twin],
    log: null,
  } satisfies DoubleGrantFile;
  expect(checkDoubleGrant(file).ok).toBe(true);
  const forged = await signDocument('grant', twin.body, MARKET);
  expect(checkDoubleGrant({ ...file, grants: [one, forged] }).ok).toBe(false);
  const changed = { ...twin, body: { ...twin.body, units: ['cpu:other'] } };
  expect(checkDoubleGrant({ ...file, grants: [one, changed] }).ok).toBe(false);
});

test('grants that were seen in checks are kept: the own one, and the one that a busy refusal shows', async () => {
  const busy = await bench.agent.leaseTo(MARKET, bench.known.machine.units);
  await checkMachine(bench.ports, bench.known, bench.known.machine.units, never);
  bench.agent.leases.clear();
  await checkMachine(bench.ports, bench.known, bench.known.machine.units, never);
  const kept = book().grantsOf(key(), Date.now() + PUBLISHED_WITHIN_MS + 1_000);
  expect(kept.map(({ body }) => body.kind).toSorted()).toEqual(['paid', 'verification']);
  expect(kept).toContainEqual(busy);
});
