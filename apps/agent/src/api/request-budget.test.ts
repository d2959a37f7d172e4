/** A stranger who asks without end is slowed down, and others are not. */
import { expect, test } from 'vitest';
import { SimulatedClock } from '../testing/simulated-clock.ts';
import { RequestBudget } from './request-budget.ts';

test('an address has 200 requests at once and 50 a second; another is not touched', async () => {
  const clock = new SimulatedClock();
  const budget = new RequestBudget(clock);
  const taken = (address: string, tries: number): number =>
    Array.from({ length: tries }, () => budget.take(address)).filter(Boolean).length;
  expect(taken('a', 1_000)).toBe(200);
  expect(taken('b', 10)).toBe(10);
  await clock.advance(1_000);
  expect(taken('a', 1_000)).toBe(50);
  await clock.advance(3_600_000);
  expect(taken('a', 1_000)).toBe(200);
});

test('ten thousand addresses do not fill the memory', () => {
  const budget = new RequestBudget(new SimulatedClock());
  for (let n = 0; n < 20_000; n += 1) budget.take(`address-${n}`);
  expect(budget.size).toBe(10_000);
});
