/** The bill: whatever happened, billable and free seconds add up to the whole time, and one outage is counted once. */
import fc from 'fast-check';
import { EMPTY_METER, reserve } from '@celium/domain';
import { expect, test } from 'vitest';
import { freeTime } from './bill.ts';

const meter = (billableMs: number, freeMs = { agentSilent: 0, unreachable: 0, marketAway: 0 }) => ({
  ...EMPTY_METER,
  billableMs,
  freeMs,
});
const rental = (readyAtMs: number | null) => ({ ...reserve(0).rental, readyAtMs });

test('a rental that never became ready cost nothing for all of its time', () => {
  const time = { createdAtMs: 1_000, rental: rental(null), endedAtMs: 9_000, stoppingAtMs: 8_000, meter: meter(0) };
  expect(freeTime(time, 99_000)).toEqual([{ seconds: 8, reason: 'never ready' }]);
});

test('starting and stopping are free, an outage that both witnesses report is counted once', () => {
  const outage = { agentSilent: 300_000, unreachable: 300_000, marketAway: 0 };
  const time = {
    createdAtMs: 0,
    rental: rental(5_000),
    endedAtMs: 1_008_000,
    stoppingAtMs: 1_005_000,
    meter: meter(700_000, outage),
  };
  expect(freeTime(time, 2_000_000)).toEqual([
    { seconds: 5, reason: 'starting' },
    { seconds: 3, reason: 'stopping' },
    { seconds: 300, reason: 'the machine’s agent was silent' },
  ]);
});

test('billable and free seconds add up to the time between creation and end', () => {
  const ms = fc.integer({ min: 0, max: 1_000_000 });
  fc.assert(
    fc.property(ms, ms, ms, ms, ms, ms, ms, fc.boolean(), (created, boot, run, stopMs, away, silent, unseen, ended) => {
      const readyAtMs = created + boot;
      const stoppingAtMs = readyAtMs + run;
      const endMs = stoppingAtMs + stopMs;
      const billableMs = Math.max(0, run - away);
      const time = {
        createdAtMs: created,
        rental: rental(readyAtMs),
        endedAtMs: ended ? endMs : null,
        stoppingAtMs,
        meter: meter(billableMs, { agentSilent: silent, unreachable: unseen, marketAway: away }),
      };
      const free = freeTime(time, endMs).reduce((sum, { seconds }) => sum + seconds, 0);
      expect(free + billableMs / 1_000).toBeCloseTo((endMs - created) / 1_000, 5);
    }),
  );
});
