/** Assignment: the same for whoever computes it, three per machine, even over validators, and new with every epoch. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  drawCoordinator,
  drawValidators,
  firstCheckAfterMs,
  isAssigned,
  PLACES_PER_MACHINE,
  VALIDATORS_PER_MACHINE,
} from './assignment.ts';

const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();
const hotkeys = (count: number): string[] => Array.from({ length: count }, (_, index) => `hotkey-${index}`);
const hex = fc.stringMatching(/^[0-9a-f]{64}$/);

test('nobody is drawn twice, everybody drawn has a permit, and the order in which permits are read changes nothing', () => {
  fc.assert(
    fc.property(hex, hex, fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 70 }), (blockHash, key, permits) => {
      const drawn = drawValidators({ blockHash, permits }, key, sha256);
      expect(new Set(drawn).size).toBe(drawn.length);
      expect(drawn).toHaveLength(Math.min(PLACES_PER_MACHINE, permits.length));
      expect(drawn.every((hotkey) => permits.includes(hotkey))).toBe(true);
      expect(drawValidators({ blockHash, permits: permits.toReversed() }, key, sha256)).toEqual(drawn);
    }),
  );
});

test('with up to three permits everybody is assigned to every machine; with none nobody is', () => {
  for (const count of [0, 1, 2, 3]) {
    const drawn = drawValidators({ blockHash: 'aa', permits: hotkeys(count) }, 'machine', sha256);
    expect(drawn.filter((_, place) => isAssigned(place)).sort()).toEqual(hotkeys(count));
  }
  expect(drawCoordinator({ blockHash: 'aa', permits: [] }, sha256)).toBeNull();
  expect(isAssigned(-1)).toBe(false);
});

test('over 5,000 machines and 64 validators each gets its share of three in 64, within five standard deviations', () => {
  const permits = hotkeys(64);
  const counts = new Map<string, number>();
  const machines = 5_000;
  for (let machine = 0; machine < machines; machine += 1)
    for (const hotkey of drawValidators({ blockHash: 'bb', permits }, `m${machine}`, sha256).slice(
      0,
      VALIDATORS_PER_MACHINE,
    ))
      counts.set(hotkey, (counts.get(hotkey) ?? 0) + 1);
  const share = VALIDATORS_PER_MACHINE / permits.length;
  const sigma = Math.sqrt(machines * share * (1 - share));
  for (const hotkey of permits) expect(Math.abs((counts.get(hotkey) ?? 0) - machines * share)).toBeLessThan(5 * sigma);
});

test('another block hash draws others, for machines and for the barrier', () => {
  const permits = hotkeys(64);
  const drawn = (blockHash: string): string[] =>
    Array.from({ length: 50 }, (_, machine) => drawValidators({ blockHash, permits }, `m${machine}`, sha256)[0]!);
  const same = drawn('cc').filter((hotkey, machine) => drawn('dd')[machine] === hotkey);
  expect(same.length).toBeLessThan(10);
  const coordinators = Array.from({ length: 50 }, (_, epoch) =>
    drawCoordinator({ blockHash: `e${epoch}`, permits }, sha256),
  );
  expect(new Set(coordinators).size).toBeGreaterThan(20);
});

test('the first check of a new machine begins at once, and somewhere within ten minutes whoever is offline', () => {
  expect(firstCheckAfterMs(0)).toBe(0);
  expect(firstCheckAfterMs(PLACES_PER_MACHINE - 1)).toBeLessThan(600_000);
  expect(firstCheckAfterMs(PLACES_PER_MACHINE)).toBeNull();
  expect(firstCheckAfterMs(-1)).toBeNull();
});
