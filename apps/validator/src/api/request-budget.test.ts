/** A stranger who asks without end is slowed down, many of them are slowed down together, and their number fills no memory. */

import { expect, test } from 'vitest';
import { BUDGET, RequestBudget } from './request-budget.ts';

function budgetAt() {
  const clock = { ms: 0, nowMs: () => clock.ms };
  const budget = new RequestBudget(clock);
  const taken = (address: string, tries: number, cost: number): number =>
    Array.from({ length: tries }, () => budget.take(address, cost)).filter(Boolean).length;
  return { clock, budget, taken };
}

test('an address has its burst at once and its rate after that; another is not touched', () => {
  const { clock, taken } = budgetAt();
  const { burst, perSecond } = BUDGET.address;
  expect(taken('a', 1_000, 10)).toBe(burst / 10);
  expect(taken('b', 5, 10)).toBe(5);
  clock.ms += 1_000;
  expect(taken('a', 1_000, 10)).toBe(perSecond / 10);
  clock.ms += 3_600_000;
  expect(taken('a', 1_000, 1)).toBe(burst);
});

test('many addresses share what there is for everybody', () => {
  const { clock, budget } = budgetAt();
  const many = (): number =>
    Array.from({ length: 5_000 }, (_, n) => budget.take(`address-${n}`, 10)).filter(Boolean).length;
  expect(many()).toBe(BUDGET.everybody.burst / 10);
  clock.ms += 1_000;
  expect(many()).toBe(BUDGET.everybody.perSecond / 10);
});

test('addresses without number do not fill the memory', () => {
  const { budget } = budgetAt();
  for (let n = 0; n < 20_000; n += 1) budget.take(`address-${n}`, 1);
  expect(budget.size).toBe(10_000);
});
