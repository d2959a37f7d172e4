/** What the agent grants and what it refuses, and that one unit never has two leases. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyFromUri, verifyDocument } from '@celium/chain';
import type { LeaseRequest } from '@celium/contract';
import { BASE_IMAGE } from '@celium/domain';
import { AgentInMemory, marketKey, validatorKey } from '../testing/agent-in-memory.ts';
import { digestOf } from './lease-desk.ts';

const stranger = keyFromUri('//Stranger');
const POD = { image: BASE_IMAGE, env: {}, ports: [], volumeBytes: 0 };
const HOUR_MS = 3_600_000;

let agent: AgentInMemory;
beforeEach(async () => {
  agent = new AgentInMemory();
  await agent.start();
});
afterEach(() => agent.destroy());

function withPod(change: Partial<LeaseRequest['pod']>): Partial<LeaseRequest> {
  const pod = { ...POD, ...change };
  return { pod, podDigest: digestOf(pod) };
}

test('a request asked twice, also at the same time, is granted once and answered with the same grant', async () => {
  const request = await agent.sign();
  const answers = await Promise.all([agent.send(request), agent.send(request), agent.send(request)]);
  const again = await agent.send(request);
  const grants = [...answers, again].map((answer) => (answer.ok ? answer.grant : null));
  expect(new Set(grants.map((grant) => grant?.signature)).size).toBe(1);
  expect(agent.store.all()).toHaveLength(1);
  expect(agent.engine.mostPodsOfALease).toBe(1);
});

test('of two requests for one unit at one instant exactly one wins; the other reads who has it', async () => {
  const [one, other] = await Promise.all([agent.ask(), agent.ask()]);
  const [won, lost] = one.ok ? [one, other] : [other, one];
  if (!won.ok || lost.ok || lost.refusal === null) throw new Error('one wins, one is refused with a signed word');
  expect(verifyDocument('lease-refusal', lost.refusal, { signer: agent.machine.machineKey }).ok).toBe(true);
  expect(lost.refusal.body).toMatchObject({ code: 'UNITS_BUSY', busyWith: won.grant });
});

test.each<[string, Partial<LeaseRequest>, string]>([
  ['for another machine', { machineId: 'other' }, 'AUDIENCE_WRONG'],
  ['for another machine key', { machineKey: 'ee'.repeat(32) }, 'AUDIENCE_WRONG'],
  ['for a unit that is not there', { units: ['cpu:other'] }, 'UNITS_UNKNOWN'],
  ['whose digest is of another pod spec', { podDigest: 'ee'.repeat(32) }, 'BAD_REQUEST'],
  ['with a reserved variable', withPod({ env: { NVIDIA_VISIBLE_DEVICES: 'all' } }), 'BAD_POD_SPEC'],
  ['with more ports than the machine has', withPod({ ports: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }), 'UNITS_BUSY'],
  ['with a key that is none', { sshKeys: ['ssh-ed25519 AAAA'] }, 'BAD_SSH_KEY'],
  ['for longer than a lease may be', { termMs: 31 * 24 * HOUR_MS }, 'TERM_TOO_LONG'],
  ['for a check, by a market', { kind: 'verification', termMs: 1_000 }, 'KEY_NOT_DELEGATED'],
  ['for an allotment', { authorityKind: 'holder', kind: 'guaranteed' }, 'UNSUPPORTED'],
])('a request %s is refused, and nothing of it stays', async (_what, change, code) => {
  expect(await agent.ask(change)).toMatchObject({ ok: false, code });
  expect(agent.store.all()).toEqual([]);
  expect(agent.store.heldPorts().size).toBe(0);
  expect(agent.engine.pods.size).toBe(0);
});

test('a market that the manifest does not list, and a validator without a permit, get nothing', async () => {
  expect(await agent.ask({}, stranger)).toMatchObject({ ok: false, code: 'KEY_NOT_DELEGATED' });
  const check = { authorityKind: 'validator', kind: 'verification' } as const;
  agent.hasPermit = async () => false;
  expect(await agent.ask(check, validatorKey)).toMatchObject({ ok: false, code: 'KEY_NOT_DELEGATED' });
  agent.hasPermit = async () => {
    throw new Error('connection refused');
  };
  expect(await agent.ask(check, validatorKey)).toMatchObject({ ok: false, code: 'CHAIN_UNAVAILABLE' });
});

test('a machine that its provider took off the manifest grants nothing new, and stops what it has', async () => {
  const grant = await agent.granted();
  agent.revoked = true;
  expect(await agent.ask()).toMatchObject({ ok: false, code: 'KEY_NOT_DELEGATED' });
  expect(agent.status(grant).state).toBe('ready');
  expect(await agent.command(grant, { type: 'stop' }, 2)).toBe('ok');
});

test('clocks may lie by minutes, but a request of yesterday is not granted today', async () => {
  const nowMs = agent.clock.nowMs();
  expect(await agent.ask({ issuedAtMs: nowMs - 24 * HOUR_MS })).toMatchObject({ ok: false, code: 'REQUEST_EXPIRED' });
  expect(await agent.ask({ issuedAtMs: nowMs + 24 * HOUR_MS })).toMatchObject({ ok: false, code: 'REQUEST_EXPIRED' });
  expect((await agent.ask({ issuedAtMs: nowMs - 300_000 })).ok).toBe(true);
});

test('a stopped lease never comes back, not even when its stop overtook its request', async () => {
  const request = await agent.sign();
  const first = await agent.send(request);
  if (!first.ok) throw new Error(first.message);
  expect(await agent.command(first.grant, { type: 'stop' }, 2)).toBe('ok');
  await agent.clock.advance(1_000);
  expect(await agent.send(request)).toMatchObject({ ok: false, code: 'REQUEST_STOPPED' });

  const late = await agent.sign();
  const body = { leaseId: randomUUID(), requestId: late.body.requestId };
  expect(await agent.command(first.grant, { type: 'stop' }, 2, body)).toBe('LEASE_UNKNOWN');
  expect(await agent.send(late)).toMatchObject({ ok: false, code: 'REQUEST_STOPPED' });
  expect((await agent.ask()).ok).toBe(true);
});

test('commands need the authority, this very fence and a new sequence number; a repeated one is answered as before', async () => {
  const grant = await agent.granted();
  const { fence } = grant.body;
  const stop = { type: 'stop' } as const;
  expect(await agent.command(grant, stop, 2, {}, stranger)).toBe('NOT_YOUR_LEASE');
  expect(await agent.command(grant, stop, 2, { fence: fence - 1 })).toBe('FENCE_OLD');
  expect(await agent.command(grant, stop, 2, { fence: fence + 1 })).toBe('FENCE_OLD');
  const issuedAtMs = agent.clock.nowMs();
  const keys = { type: 'set-ssh-keys' as const, sshKeys: [] };
  for (let times = 0; times < 3; times += 1) expect(await agent.command(grant, keys, 2, { issuedAtMs })).toBe('ok');
  expect(await agent.command(grant, stop, 2)).toBe('SEQUENCE_OLD');
  expect(agent.status(grant).state).toBe('ready');
  expect(await agent.command(grant, stop, 3)).toBe('ok');
  expect(await agent.command(grant, stop, 4)).toBe('ok');
  expect(await agent.command(grant, keys, 5)).toBe('LEASE_UNKNOWN');
});

test('a check is not preempted: a paid request is told when to come again', async () => {
  await agent.granted({ authorityKind: 'validator', kind: 'verification', termMs: 60_000 }, validatorKey);
  await agent.clock.advance(20_000);
  const refused = await agent.ask();
  expect(refused).toMatchObject({ ok: false, code: 'UNITS_BUSY' });
  expect(refused.ok ? '' : refused.message).toMatch(/at most 40 s more/);
});

test('over any sequence of requests, stops, deaths and restarts no unit has two leases, and fences only grow', async () => {
  const units = ['GPU-00000001', 'GPU-00000002', 'GPU-00000003'];
  const some = fc.subarray(units, { minLength: 1 });
  const step = fc.oneof(
    fc.record({ do: fc.constant('ask' as const), units: some, paid: fc.boolean() }),
    fc.record({ do: fc.constantFrom('stop' as const, 'die' as const, 'repeat' as const), which: fc.nat(5) }),
    fc.record({ do: fc.constantFrom('restart' as const, 'reboot' as const, 'wait' as const), which: fc.nat(5) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
      const many = new AgentInMemory(units);
      await many.start();
      try {
        await walk(many, steps);
      } finally {
        many.destroy();
      }
    }),
    { numRuns: 25 },
  );
});

type Step =
  | { do: 'ask'; units: string[]; paid: boolean }
  | { do: 'stop' | 'die' | 'repeat' | 'restart' | 'reboot' | 'wait'; which: number };

async function walk(many: AgentInMemory, steps: readonly Step[]): Promise<void> {
  const fences = new Map<string, number>();
  const requests: Array<Awaited<ReturnType<AgentInMemory['sign']>>> = [];
  for (const [index, step] of steps.entries()) {
    const open = many.store.open();
    const chosen = 'which' in step ? open[step.which % Math.max(1, open.length)] : undefined;
    if (step.do === 'ask') {
      const kind = step.paid ? {} : ({ authorityKind: 'validator', kind: 'verification' } as const);
      const key = step.paid ? marketKey : validatorKey;
      const request = await many.sign({ units: step.units, ...kind }, key);
      requests.push(request);
      await send(many, request, fences);
    } else if (step.do === 'repeat') {
      const request = requests[step.which % Math.max(1, requests.length)];
      if (request !== undefined) await send(many, request, fences);
    } else if (step.do === 'stop' && chosen !== undefined && chosen.request.body.authorityKind === 'market') {
      await many.command(chosen.grant, { type: 'stop' }, index + 2);
    } else if (step.do === 'die' && typeof chosen?.podInstance === 'string') {
      if (many.engine.pods.get(chosen.podInstance)?.state === 'running') many.engine.die(chosen.podInstance, 1);
    } else if (step.do === 'restart' || step.do === 'reboot') {
      many.crash();
      await many.start(step.do === 'reboot');
    }
    await many.clock.advance(step.do === 'wait' ? 61_000 : 50);
    const held = many.store.open().flatMap((record) => record.grant.body.units);
    expect(new Set(held).size).toBe(held.length);
    const pods = [...many.engine.pods.values()].map((pod) => pod.leaseId);
    expect(new Set(pods).size).toBe(pods.length);
    const openIds = new Set(many.store.open().map((record) => record.leaseId));
    expect(pods.filter((leaseId) => !openIds.has(leaseId))).toEqual([]);
  }
}

async function send(
  many: AgentInMemory,
  request: Awaited<ReturnType<AgentInMemory['sign']>>,
  fences: Map<string, number>,
): Promise<void> {
  const key = request.body.authorityKind === 'market' ? marketKey : validatorKey;
  const before = new Set(many.store.all().map((record) => record.leaseId));
  const answer = await many.send(request, key);
  if (!answer.ok || before.has(answer.grant.body.leaseId)) return;
  for (const unit of answer.grant.body.units) {
    expect(answer.grant.body.fence).toBeGreaterThan(fences.get(unit) ?? 0);
    fences.set(unit, answer.grant.body.fence);
  }
}
