/** The whole path on a real engine: lease, pod, OpenSSH, prover, verdict, weights. Provers that cheat have their tests in `tests/`. */

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

test('an honest machine is verified as a CPU machine, and gets its weight', { timeout: 240_000 }, async () => {
  const events = await machine.checkOnce();
  const check = checkOf(events) as Record<string, unknown>;
  expect(check).toMatchObject({ verdict: 'pass', class: 'CPU', onboarding: true, reason: { code: 'OK' } });
  expect(check['auditCpuSeconds']).toBeGreaterThan(0);
  expect(events).toContainEqual(expect.objectContaining({ event: 'step', name: 'set weights', status: 'done' }));
  await machine.untilEmpty();
});

test('a path that is slower than the deadline allows makes the answer late', { timeout: 240_000 }, async () => {
  // At this rate the whole chain has less time than one round trip of the path.
  await machine.declare(5_000);
  const check = checkOf(await machine.checkOnce(['--link', 'delay=4000']));
  expect(check).toMatchObject({ verdict: 'fail', reason: { code: 'late' } });
  await machine.untilEmpty();
});
