/** A lease lasts its term, on a clock that nobody can set. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { beginTerm, learnElapsed, leftOfTermMs, noteTerm, usedOfTermMs } from './term.ts';

const HOUR_MS = 3_600_000;

test('a term is used up by monotonic time alone', () => {
  const term = beginTerm(24 * HOUR_MS, { bootId: 'a', monotonicMs: 1_000 });
  expect(leftOfTermMs(term, { bootId: 'a', monotonicMs: 1_000 + HOUR_MS })).toBe(23 * HOUR_MS);
  expect(leftOfTermMs(term, { bootId: 'a', monotonicMs: 1_000 + 25 * HOUR_MS })).toBe(0);
});

test('what was noted survives a reboot, and the authority’s next message tells the rest', () => {
  const begun = beginTerm(24 * HOUR_MS, { bootId: 'a', monotonicMs: 0 });
  const noted = noteTerm(begun, { bootId: 'a', monotonicMs: 5 * HOUR_MS });
  const rebooted = { bootId: 'b', monotonicMs: 10 };
  expect(leftOfTermMs(noted, rebooted)).toBe(19 * HOUR_MS);
  const learned = learnElapsed(noted, 9 * HOUR_MS, rebooted);
  expect(leftOfTermMs(learned, rebooted)).toBe(15 * HOUR_MS);
  expect(leftOfTermMs(learned, { bootId: 'b', monotonicMs: 10 + HOUR_MS })).toBe(14 * HOUR_MS);
});

test('within one boot no message of an authority shortens or lengthens a term', () => {
  const term = beginTerm(HOUR_MS, { bootId: 'a', monotonicMs: 0 });
  const now = { bootId: 'a', monotonicMs: 1_000 };
  for (const claimedMs of [0, 100 * HOUR_MS]) expect(usedOfTermMs(learnElapsed(term, claimedMs, now), now)).toBe(1_000);
});

test('noting a term any number of times, over any boots, never gives time back', () => {
  const moments = fc.array(fc.record({ bootId: fc.constantFrom('a', 'b'), monotonicMs: fc.nat(10_000_000) }));
  fc.assert(
    fc.property(moments, (seen) => {
      let term = beginTerm(HOUR_MS, { bootId: 'a', monotonicMs: 0 });
      for (const moment of seen) {
        const next = noteTerm(term, moment);
        expect(next.usedMs).toBeGreaterThanOrEqual(term.usedMs);
        expect(leftOfTermMs(next, moment)).toBe(leftOfTermMs(term, moment));
        term = next;
      }
    }),
  );
});
