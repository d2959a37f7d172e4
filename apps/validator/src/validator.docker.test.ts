/** The whole path on a real engine: lease, pod, OpenSSH, prover, verdict. Honest machines pass; cheats and a slow path are refused with their reasons. */

import type { ProgressEvent } from '@celium/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RealMachine } from './testing/real-machine.ts';

const machine = new RealMachine();
beforeAll(() => machine.start(), 300_000);
afterAll(() => machine.close(), 60_000);

function checkOf(events: ProgressEvent[]): ProgressEvent {
  const [check, ...more] = events.filter((event) => event.event === 'check');
  if (check === undefined || more.length > 0) throw new Error(`not one check: ${JSON.stringify(events)}`);
  return check;
}

test(
  'an honest machine is verified as a CPU machine, with its rate, and gets its weight',
  { timeout: 120_000 },
  async () => {
    const events = await machine.checkOnce();
    const check = checkOf(events) as Record<string, unknown>;
    expect(check).toMatchObject({ verdict: 'pass', class: 'CPU', onboarding: true, reason: { code: 'OK' } });
    expect(check['auditCpuSeconds']).toBeGreaterThan(0);
    expect(events).toContainEqual(expect.objectContaining({ event: 'step', name: 'set weights', status: 'done' }));
    await machine.untilEmpty();
  },
);

test.each([
  ['skip-tiles', 'skipped-work'],
  ['other-seed', 'wrong-seed'],
] as const)('a prover that cheats (%s) is refused: %s', { timeout: 120_000 }, async (prover, code) => {
  await machine.useProver(prover);
  const check = checkOf(await machine.checkOnce());
  await machine.useProver('honest');
  expect(check).toMatchObject({ verdict: 'fail', reason: { code } });
  await machine.untilEmpty();
});

test('a path that is slower than the deadline allows makes the answer late', { timeout: 180_000 }, async () => {
  // The chain has some 10,000 units of work: 7 s at this rate, of which a round trip of 8 s leaves nothing.
  await machine.declare(1_500);
  const check = checkOf(await machine.checkOnce(['--link', 'delay=4000']));
  expect(check).toMatchObject({ verdict: 'fail', reason: { code: 'late' } });
  await machine.untilEmpty();
});
