/** The barrier's second: inside its window, spread over all of it, and to be had only with the deciding block and the secret. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BARRIER_DRAW_BLOCKS, barrierCommitment, barrierIdOf, barrierMomentMs, barrierWindow } from './barrier.ts';

const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();
const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
const BLOCK_MS = 12_000;

test('on Bittensor the window leaves four minutes before it and covers most of an epoch', () => {
  const window = barrierWindow(0, BARRIER_DRAW_BLOCKS * BLOCK_MS, 360);
  expect(window?.fromMs).toBe(9 * 60_000);
  expect(window?.seconds).toBe(61 * 60);
});

test('a chain with short epochs has no barriers', () => {
  expect(barrierWindow(0, BARRIER_DRAW_BLOCKS * 250, 10)).toBeNull();
  expect(barrierWindow(0, BARRIER_DRAW_BLOCKS * 250, 360)).toBeNull();
});

test('the second lies in the window and before the end of the epoch, whatever the times, the hash and the secret are', () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 41),
      fc.integer({ min: 1, max: 60_000 }),
      fc.integer({ min: 50, max: 5_000 }),
      hex,
      hex,
      (epochTimeMs, blockMs, tempo, hash, secret) => {
        const window = barrierWindow(epochTimeMs, epochTimeMs + BARRIER_DRAW_BLOCKS * blockMs, tempo);
        fc.pre(window !== null);
        const momentMs = barrierMomentMs(window, hash, secret, sha256);
        expect(momentMs % 1000).toBe(0);
        expect(momentMs).toBeGreaterThanOrEqual(window.fromMs);
        expect(momentMs).toBeLessThan(epochTimeMs + tempo * blockMs);
      },
    ),
  );
});

test('seconds are spread over the whole window: with either half unknown, a guess is one in thousands', () => {
  const window = { fromMs: 0, seconds: 3_660 };
  const moments = (of: (index: number) => number): number => new Set(Array.from({ length: 500 }, (_, i) => of(i))).size;
  expect(moments((i) => barrierMomentMs(window, 'aa', `secret ${i}`, sha256))).toBeGreaterThan(430);
  expect(moments((i) => barrierMomentMs(window, `hash ${i}`, 'bb', sha256))).toBeGreaterThan(430);
});

test('commitment and name fit one secret of one epoch, and neither tells the other', () => {
  fc.assert(
    fc.property(hex, hex, hex, (epochHash, secret, other) => {
      fc.pre(secret !== other);
      const commitment = barrierCommitment(epochHash, secret, sha256);
      expect(barrierCommitment(epochHash, other, sha256)).not.toEqual(commitment);
      expect(barrierCommitment(other, secret, sha256)).not.toEqual(commitment);
      expect(commitment.subarray(0, 16)).not.toEqual(barrierIdOf(epochHash, secret, sha256));
    }),
  );
});
