/** Crash points: the process dies exactly where it was told to, and a wrong name is told at once. */
import { expect, test } from 'vitest';
import { crashAt, CRASH_POINTS, type CrashPoint } from './crash-points.ts';

/** How often the process would have died after passing `points` in order. */
function deathsAfter(spec: string | undefined, points: CrashPoint[]): number[] {
  const deaths: number[] = [];
  let passed = 0;
  const here = crashAt(spec, () => deaths.push(passed));
  for (const point of points) {
    passed += 1;
    here(point);
  }
  return deaths;
}

test('without CELIUM_CRASH_AT nothing dies', () => {
  const points = Object.keys(CRASH_POINTS) as CrashPoint[];
  expect(deathsAfter(undefined, points)).toEqual([]);
  expect(deathsAfter('', points)).toEqual([]);
});

test('the process dies at the first passing of its point, and at no other point', () => {
  expect(deathsAfter('agent.pod.created', ['agent.grant.stored', 'agent.pod.created'])).toEqual([2]);
  expect(deathsAfter('agent.pod.created', ['agent.grant.stored'])).toEqual([]);
});

test('with a count it dies at that passing', () => {
  const thrice: CrashPoint[] = ['devchain.block.sealed', 'devchain.block.sealed', 'devchain.block.sealed'];
  expect(deathsAfter('devchain.block.sealed:3', thrice)).toEqual([3]);
  expect(deathsAfter('devchain.block.sealed:4', thrice)).toEqual([]);
});

test.each(['agent.pod', 'toString', '__proto__', ' agent.pod.created'])(
  '%j is no crash point, and is refused',
  (spec) => {
    expect(() => crashAt(spec, () => {})).toThrow(/there is no crash point/);
  },
);

test.each(['0', '-1', '', 'x', '2x', '1.5', '1:2', '9999999999'])('%j is no count, and is refused', (count) => {
  expect(() => crashAt(`agent.pod.created:${count}`, () => {})).toThrow(/is no count of 1 or more/);
});

test('every point is named program.step.moment and says in words what has and has not happened', () => {
  for (const [name, words] of Object.entries(CRASH_POINTS)) {
    expect(name).toMatch(/^(market|agent|validator|devchain)\.[a-z]+\.[a-z-]+$/);
    expect(words.length).toBeGreaterThan(10);
  }
});
