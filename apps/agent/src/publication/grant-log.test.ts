/** Grants are published once, in order, under pseudonyms, and a crash in between loses and doubles nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SqliteLog, documentHash, verifyDocument } from '@celium/chain';
import { silentLog } from '../log.ts';
import { AgentInMemory } from '../testing/agent-in-memory.ts';
import { GrantLog } from './grant-log.ts';

let folder = '';
let agent: AgentInMemory;
let log: SqliteLog;
let published: GrantLog;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'celium-published-'));
  agent = new AgentInMemory();
  await agent.start();
  log = new SqliteLog(join(folder, 'log.sqlite'));
  published = open();
});
afterEach(() => {
  log.close();
  agent.destroy();
  rmSync(folder, { recursive: true });
});

function open(): GrantLog {
  return new GrantLog({ identity: agent.identity, store: agent.store, log, clock: agent.clock, report: silentLog });
}

function entries(): Array<[string, unknown]> {
  return log.entries().map((entry) => [entry.kind, (entry.body as { leaseId: string }).leaseId]);
}

test('a grant is in the log within a minute and names no authority; its end follows', async () => {
  const grant = await agent.granted();
  published.note();
  await agent.clock.advance(60_000);
  const [entry] = log.entries();
  expect(entry?.body).toMatchObject({ leaseId: grant.body.leaseId, grantHash: documentHash(grant), units: ['cpu:m'] });
  expect(JSON.stringify(entry)).not.toContain(grant.body.authority);
  await agent.command(grant, { type: 'stop' }, 2);
  published.note();
  await agent.clock.advance(60_000);
  expect(entries()).toEqual([
    ['grant', grant.body.leaseId],
    ['lease-ended', grant.body.leaseId],
  ]);
  const { head, entries: read } = await published.read(2, 10);
  expect(verifyDocument('log-head', head, { signer: agent.machine.machineKey }).ok).toBe(true);
  expect(read.map((one) => one.seq)).toEqual([2]);
});

test('a crash between log and store neither loses nor doubles an entry', async () => {
  const grant = await agent.granted();
  published.publish();
  agent.store.update(grant.body.leaseId, { published: 'nothing' });
  open().publish();
  expect(entries()).toEqual([['grant', grant.body.leaseId]]);
  expect(agent.store.lease(grant.body.leaseId)?.published).toBe('grant');
});

test('one authority has one pseudonym over all its grants', async () => {
  for (let times = 0; times < 2; times += 1) {
    const grant = await agent.granted();
    await agent.command(grant, { type: 'stop' }, 2);
    await agent.clock.advance(1_000);
  }
  published.publish();
  const names = log.entries().flatMap((entry) => (entry.body as { authority?: string }).authority ?? []);
  expect(names).toHaveLength(2);
  expect(new Set(names).size).toBe(1);
});
