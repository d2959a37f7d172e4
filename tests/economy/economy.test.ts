/** The economy's own measure: faults that are planted into the engine are found, and the same seed plays the same market. */
import { computeRates } from '@celium/domain';
import { expect, test } from 'vitest';
import { reliabilityByAge } from './ageing.ts';
import { diceOf } from './dice.ts';
import { tryFalseStatements } from './false-statements.ts';
import { tryStates, type Engine } from './random-states.ts';
import { playShock } from './shock.ts';
import { gainByCost } from './wash.ts';

const firstLineGets =
  (more: (rates: ReturnType<Engine>) => bigint): Engine =>
  (input) => {
    const rates = computeRates(input);
    const lines = rates.lines.map((line, i) =>
      i === 0 ? { ...line, totalMicroUsd: line.totalMicroUsd + more(rates) } : line,
    );
    return { ...rates, lines };
  };

test.each([
  ['pays a micro-dollar that is not there', firstLineGets(() => 1n)],
  [
    'pays twice of what was smoothed',
    (input) => {
      const policy = { ...input.policy, kappaPpm: input.policy.kappaPpm * 2n };
      return computeRates({ ...input, policy });
    },
  ],
  ['has no cap on base', (input) => computeRates({ ...input, policy: { ...input.policy, baseCapPpm: 1_000_000n } })],
  ['answers each time differently', firstLineGets(() => BigInt(Math.floor(performance.now() * 1_000)) % 2n)],
] satisfies Array<[string, Engine]>)('an engine that %s is found out', (_what, faulty) => {
  expect(tryStates(400, faulty).violations).toBeGreaterThan(0);
});

test('the real engine breaks nothing in states of these seeds', () => {
  expect(tryStates(400)).toMatchObject({ violations: 0, first: [] });
});

test('equal seeds play the same market, to the last digit', () => {
  const setting = { seed: 7, hostDelayHours: 6, reliabilityByDay: [1_000_000n] };
  expect(playShock(setting)).toEqual(playShock(setting));
  expect(diceOf('a').next()).not.toBe(diceOf('b').next());
});

test('something for nothing counts as an endless gain, less than a cent as none', () => {
  expect(gainByCost({ gainUsd: 1, costUsd: 0, backForBurned: 0 })).toBe(Number.POSITIVE_INFINITY);
  expect(gainByCost({ gainUsd: 0.001, costUsd: 0, backForBurned: 0 })).toBe(0);
  expect(gainByCost({ gainUsd: 8, costUsd: 10, backForBurned: 0 })).toBe(0.8);
});

test('an operator moves honest revenue to no class and no hours that a machine of theirs does not have', () => {
  expect(tryFalseStatements()).toMatchObject({ byAnotherClass: 0, byHoursThatAreNot: 0 });
});

test('a machine without fault has nearly its full pay after three months', () => {
  const byDay = reliabilityByAge();
  expect(byDay[0]).toBe(716_870n);
  expect(byDay.at(-1)! > 950_000n).toBe(true);
});
