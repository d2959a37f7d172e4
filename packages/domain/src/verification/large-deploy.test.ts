/** At most one large deploy per machine and week, shared by the validators that are assigned to the machine. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  deployLimitMs,
  largeDeployTurn,
  mayDeployNow,
  WEEK_BLOCKS,
  weekOfBlock,
  type LastDeploy,
} from './large-deploy.ts';

const draws = fc.uint8Array({ minLength: 32, maxLength: 32 });
const validators = fc.uniqueArray(
  fc.nat(0xffff).map((key) => key.toString(16)),
  { minLength: 1, maxLength: 5 },
);

test('in one week one machine is deployed to by one validator at most, whoever asks at whatever blocks', () => {
  const visits = fc.array(fc.tuple(fc.nat(4), fc.nat(WEEK_BLOCKS - 1)), { maxLength: 60 });
  fc.assert(
    fc.property(draws, validators, fc.nat(9), visits, (draw, assigned, week, asked) => {
      const last = new Map<string, LastDeploy>();
      let deploys = 0;
      for (const [who, offset] of asked.toSorted((a, b) => a[1] - b[1])) {
        const self = assigned[who % assigned.length] as string;
        const block = week * WEEK_BLOCKS + offset;
        if (!mayDeployNow({ self, block, nowMs: offset, draw, assigned }, last.get(self) ?? null)) continue;
        deploys += 1;
        last.set(self, { block, atMs: offset, verdict: 'pass' });
      }
      expect(deploys).toBeLessThanOrEqual(1);
    }),
  );
});

test('whoever has the turn gets to deploy before the week ends, and the order of the list changes nothing', () => {
  fc.assert(
    fc.property(draws, validators, fc.nat(9), (draw, assigned, week) => {
      const turn = largeDeployTurn(week, draw, assigned);
      expect(turn).toEqual(largeDeployTurn(week, draw, assigned.toReversed()));
      if (turn === null) throw new Error('nobody');
      expect(weekOfBlock(turn.fromBlock)).toBe(week);
      const lastBlock = (week + 1) * WEEK_BLOCKS - 1;
      const ask = { self: turn.validator, block: lastBlock, nowMs: 0, draw, assigned };
      expect(mayDeployNow(ask, null)).toBe(true);
      expect(mayDeployNow({ ...ask, block: turn.fromBlock - 1 }, null)).toBe(false);
    }),
  );
});

test('a failed deploy is repeated a day later, a passed one not in the same week', () => {
  const ask = { self: 'a', block: WEEK_BLOCKS - 1, nowMs: 90_000_000, draw: new Uint8Array(32), assigned: ['a'] };
  expect(mayDeployNow(ask, { block: 10, atMs: 0, verdict: 'fail' })).toBe(true);
  expect(mayDeployNow(ask, { block: 10, atMs: 80_000_000, verdict: 'fail' })).toBe(false);
  expect(mayDeployNow(ask, { block: 10, atMs: 0, verdict: 'pass' })).toBe(false);
  expect(mayDeployNow({ ...ask, block: 2 * WEEK_BLOCKS - 1 }, { block: 10, atMs: 0, verdict: 'pass' })).toBe(true);
  expect(largeDeployTurn(3, new Uint8Array(32), [])).toBeNull();
});

test('20 GB have to be there within the term of a check, and a small image gets two minutes at least', () => {
  expect(deployLimitMs(0, 900_000)).toBe(120_000);
  expect(deployLimitMs(10e9, 900_000)).toBe(520_000);
  expect(deployLimitMs(1e12, 900_000)).toBe(720_000);
});
