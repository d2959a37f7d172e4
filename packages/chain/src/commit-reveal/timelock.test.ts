/** Timelock encryption against a real pulse of drand's quicknet, and against the tests' own beacon. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { TEST_BEACON, signRound } from '../../tests/scale-node/test-beacon.ts';
import { fromHex, utf8 } from '../keys/bytes.ts';
import { QUICKNET } from './drand.ts';
import { openTimelocked, sealTimelocked } from './timelock.ts';

/** The published signature of quicknet's round 1000. */
const ROUND_1000 = fromHex(
  'b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39',
  48,
) as Uint8Array;

test('what is sealed for a quicknet round opens with that round’s real signature, and with no other', async () => {
  const payload = utf8('a row of weights');
  const sealed = await sealTimelocked(payload, 1_000, QUICKNET, randomBytes);
  expect(await openTimelocked(sealed, ROUND_1000)).toEqual(payload);
  const next = await sealTimelocked(payload, 1_001, QUICKNET, randomBytes);
  expect(await openTimelocked(next, ROUND_1000)).toBeNull();
  expect(await openTimelocked(sealed.with(200, (sealed[200] ?? 0) ^ 1), ROUND_1000)).toBeNull();
});

test('a row for 256 neurons fits into a commit', async () => {
  const sealed = await sealTimelocked(randomBytes(33 + 4 + 256 * 4 + 8), 7, TEST_BEACON, randomBytes);
  expect(sealed.length).toBeLessThanOrEqual(5_000);
  expect((await openTimelocked(sealed, signRound(7)))?.length).toBe(33 + 4 + 256 * 4 + 8);
});
