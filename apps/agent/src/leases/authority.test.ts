/** Validator permits are asked from the chain, and not more often than needed. */
import { expect, test } from 'vitest';
import { SimulatedClock } from '../testing/simulated-clock.ts';
import { cachedPermits } from './authority.ts';

test('a permit is believed for a minute, its lack for two seconds, and callers at one time ask once', async () => {
  const clock = new SimulatedClock();
  let asked = 0;
  let permits = new Set(['5A']);
  const hasPermit = cachedPermits(async () => {
    asked += 1;
    return permits;
  }, clock);
  expect(await Promise.all([hasPermit('5A'), hasPermit('5A'), hasPermit('5B')])).toEqual([true, true, false]);
  expect(asked).toBe(1);
  permits = new Set(['5B']);
  await clock.advance(3_000);
  expect(await hasPermit('5A')).toBe(true);
  expect(asked).toBe(1);
  expect(await hasPermit('5B')).toBe(true);
  expect(await hasPermit('5A')).toBe(false);
  expect(asked).toBe(2);
});

test('a chain that does not answer gives no permit, and is asked again the next time', async () => {
  const clock = new SimulatedClock();
  let fault: Error | null = new Error('connection refused');
  const hasPermit = cachedPermits(async () => {
    if (fault !== null) throw fault;
    return new Set(['5A']);
  }, clock);
  await expect(hasPermit('5A')).rejects.toThrow('connection refused');
  fault = null;
  expect(await hasPermit('5A')).toBe(true);
});
