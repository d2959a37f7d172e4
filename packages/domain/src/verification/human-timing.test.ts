/** A person's pace: never the same twice, never faster than hands are, bounded. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { activityOfHour, drawVisit, keystrokePauses, type HumanVisit } from './human-timing.ts';

const draws = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
const drawFrom =
  (stream: Iterator<number>): (() => number) =>
  () =>
    stream.next().value as number;

/** Draws of a small generator with a fixed seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test('every pause of a visit is bounded, and no key comes faster than a hand is', () => {
  fc.assert(
    fc.property(draws, fc.integer({ min: 1, max: 8 }), (stream, units) => {
      const visit = drawVisit(drawFrom(stream), units);
      const pauses = [visit.beforeRentMs, visit.beforeLoginMs, visit.beforeProofMs, visit.stayMs];
      for (const pause of pauses) {
        expect(pause).toBeGreaterThanOrEqual(1_000);
        expect(pause).toBeLessThanOrEqual(3 * 3_600_000);
      }
      if (units === 1) expect(visit.unitCount).toBeNull();
      for (const pause of keystrokePauses('df -h\n', drawFrom(stream))) expect(pause).toBeGreaterThanOrEqual(25);
    }),
  );
});

test('visits differ from each other: pace, window, commands and stay are drawn each time', () => {
  const draw = seeded(7);
  const visits = Array.from({ length: 400 }, () => drawVisit(draw, 8));
  const kinds = (of: (visit: HumanVisit) => unknown): number =>
    new Set(visits.map((visit) => JSON.stringify(of(visit)))).size;
  expect(kinds((visit) => visit.beforeLoginMs)).toBeGreaterThan(380);
  expect(kinds((visit) => visit.stayMs)).toBeGreaterThan(380);
  expect(kinds((visit) => visit.terminal)).toBe(6);
  expect(kinds((visit) => visit.commands.map(({ command }) => command))).toBeGreaterThan(20);
  expect(kinds((visit) => visit.ports)).toBe(3);
  expect(kinds((visit) => visit.unitCount)).toBe(2);
});

test('half of all visits log in within a minute or so, and some take much longer', () => {
  const draw = seeded(11);
  const waits = Array.from({ length: 1_000 }, () => drawVisit(draw, 1).beforeLoginMs).toSorted((a, b) => a - b);
  expect(waits[500]).toBeGreaterThan(15_000);
  expect(waits[500]).toBeLessThan(40_000);
  expect(waits[980]).toBeGreaterThan(100_000);
});

test('the hours of a day are not alike, and their mean is one', () => {
  const hours = Array.from({ length: 24 }, (_, hour) => activityOfHour(hour));
  expect(hours.reduce((sum, hour) => sum + hour, 0) / 24).toBeCloseTo(1);
  expect(Math.min(...hours)).toBeGreaterThan(0);
  expect(activityOfHour(15)).toBeGreaterThan(3 * activityOfHour(3));
});
