/** The agent may die at any instant: killed at each of its crash points, it comes back to containers that equal leases. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyFromUri, toHex } from '@celium/chain';
import type { AgentFrame, CrashPoint, Signed } from '@celium/contract';
import { TestMachine } from './testing/agent-process.ts';
import { TestMarket } from './testing/market.ts';

const machine = new TestMachine();
const market = new TestMarket(keyFromUri('//Market'));

beforeAll(async () => {
  await market.listen();
  await machine.writeManifest([{ url: market.url, key: toHex(market.key.publicKey) }]);
});

afterAll(async () => {
  await machine.destroy();
  await market.goAway();
});

/** Starts the agent and waits for its greeting. */
async function start(crashAt?: string): Promise<void> {
  market.frames.length = 0;
  await machine.start(crashAt === undefined ? {} : { crashAt });
  await market.frame('hello');
}

/** All grants that the agent sent for a request, over all of its lives. */
function grantsOf(frames: readonly AgentFrame[], requestId: string): Array<Signed<'grant'>> {
  return frames.flatMap((frame) =>
    frame.type === 'grant' && frame.grant.body.requestId === requestId ? [frame.grant] : [],
  );
}

const BEFORE_READY = [
  'agent.request.received',
  'agent.grant.stored',
  'agent.pod.created',
  'agent.pod.started',
] as const satisfies CrashPoint[];

test.each(BEFORE_READY)('killed at %s, a repeated request gets one lease and one pod', async (point) => {
  await start(point);
  const request = await market.sign(machine.machine);
  market.send({ type: 'lease-request', request });
  expect(await machine.ended()).toBe('SIGKILL');
  const before = grantsOf(market.frames, request.body.requestId);

  await start();
  market.send({ type: 'lease-request', request });
  const grant = await market.grant(request);
  for (const earlier of before) expect(grant).toEqual(earlier);
  const { leaseId } = grant.body;
  await market.lease(leaseId, 'ready');
  expect((await machine.containers()).map(({ State }) => State)).toEqual(['running']);

  const second = await market.sign(machine.machine);
  market.send({ type: 'lease-request', request: second });
  const refusal = await market.refusal(second);
  expect(refusal.body.code).toBe('UNITS_BUSY');

  market.send({ type: 'lease-command', command: await market.command(grant, { type: 'stop' }, 2) });
  await market.lease(leaseId, 'gone');
  market.send({ type: 'gone-noted', leaseId });
  expect(await machine.containers()).toEqual([]);
  await machine.stop();
});

const WHILE_STOPPING = ['agent.stop.stored', 'agent.pod.removed'] as const satisfies CrashPoint[];

test.each(WHILE_STOPPING)(
  'killed at %s, the lease is gone after the restart and never granted again',
  async (point) => {
    await start(point);
    const request = await market.sign(machine.machine);
    market.send({ type: 'lease-request', request });
    const grant = await market.grant(request);
    const { leaseId } = grant.body;
    await market.lease(leaseId, 'ready');
    const readyMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 300));
    market.send({ type: 'lease-command', command: await market.command(grant, { type: 'stop' }, 2) });
    expect(await machine.ended()).toBe('SIGKILL');
    const stoppedMs = performance.now();

    await start();
    await expect.poll(() => machine.containers(), { timeout: 15_000 }).toEqual([]);
    await market.lease(leaseId, 'gone');
    market.send({ type: 'lease-request', request });
    const refusal = await market.refusal(request);
    expect(refusal.body.code).toBe('REQUEST_STOPPED');

    market.frames.length = 0;
    market.send({ type: 'lease-command', command: await market.command(grant, { type: 'stop' }, 3) });
    const { lease } = await market.frame('lease-status', ({ lease: one }) => one.leaseId === leaseId);
    expect(lease).toMatchObject({ state: 'gone', goneReason: 'stopped' });
    expect(lease.cumulativeMs).toBeGreaterThan(250);
    if (point === 'agent.pod.removed') expect(lease.cumulativeMs).toBeLessThan(stoppedMs - readyMs + 1_000);

    const next = await market.sign(machine.machine);
    market.send({ type: 'lease-request', request: next });
    const again = await market.grant(next);
    expect(again.body.fence).toBeGreaterThan(grant.body.fence);
    market.send({ type: 'lease-command', command: await market.command(again, { type: 'stop' }, 2) });
    await market.lease(again.body.leaseId, 'gone');
    await machine.stop();
  },
);
