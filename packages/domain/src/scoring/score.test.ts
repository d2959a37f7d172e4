/** Scores: what receipts are worth. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { UnitStanding } from '../verification/unit-registry.ts';
import { RECEIPT_VALID_MS } from '../verification/validity.ts';
import { scoreHotkeys, weightRow, type ScoredReceipt } from './score.ts';

const NOW = 100 * RECEIPT_VALID_MS;
const receipt = (given: Partial<ScoredReceipt>): ScoredReceipt => ({
  hotkey: 'alice',
  machineKey: 'a',
  unit: 'GPU-1',
  verdict: 'pass',
  endedAtMs: NOW - 1_000,
  ...given,
});
const scores = (...receipts: ScoredReceipt[]): Record<string, number> =>
  Object.fromEntries(scoreHotkeys(receipts, heldBy('alice', 'a'), NOW));
/** A registry in which one registration holds every GPU. */
const heldBy = (hotkey: string, machineKey: string): Map<string, UnitStanding> =>
  new Map(
    ['GPU-1', 'GPU-2', 'GPU-3'].map((unit) => [unit, { state: 'held', holder: { hotkey, machineKey }, rivals: [] }]),
  );

const anyReceipt: fc.Arbitrary<ScoredReceipt> = fc.record({
  hotkey: fc.constantFrom('alice', 'bob', 'carol'),
  machineKey: fc.constantFrom('a', 'b'),
  unit: fc.constantFrom('GPU-1', 'GPU-2', 'GPU-3', 'cpu:machine'),
  verdict: fc.constantFrom('pass' as const, 'fail' as const),
  endedAtMs: fc.integer({ min: NOW - 2 * RECEIPT_VALID_MS, max: NOW }),
});

describe('a score', () => {
  test('is the number of units whose newest receipt passed', () => {
    expect(scores(receipt({}), receipt({ unit: 'GPU-2' }), receipt({ unit: 'GPU-3', verdict: 'fail' }))).toEqual({
      alice: 2,
    });
  });

  test('goes by the newest receipt, in whatever order they are read', () => {
    const old = receipt({ verdict: 'fail', endedAtMs: NOW - 5_000 });
    expect(scores(old, receipt({}))).toEqual({ alice: 1 });
    expect(scores(receipt({}), old)).toEqual({ alice: 1 });
    expect(scores(receipt({}), receipt({ verdict: 'fail', endedAtMs: NOW }))).toEqual({});
  });

  test('is not lifted by a lone check after two failures at barriers, and a later barrier that passes twice lifts it', () => {
    const at = (verdict: 'pass' | 'fail', ageMs: number): ScoredReceipt =>
      receipt({ verdict, endedAtMs: NOW - ageMs, networkBarrier: true });
    expect(scores(at('fail', 9_000), receipt({}))).toEqual({ alice: 1 });
    expect(scores(at('fail', 9_000), at('fail', 5_000), receipt({}))).toEqual({});
    expect(scores(at('fail', 9_000), at('fail', 5_000), at('pass', 4_000), at('pass', 3_000))).toEqual({ alice: 1 });
    expect(scores(at('fail', 2 * RECEIPT_VALID_MS), at('fail', 5_000), receipt({}))).toEqual({ alice: 1 });
  });

  test('forgets a receipt after a day', () => {
    expect(scores(receipt({ endedAtMs: NOW - RECEIPT_VALID_MS }))).toEqual({ alice: 1 });
    expect(scores(receipt({ endedAtMs: NOW - RECEIPT_VALID_MS - 1 }))).toEqual({});
  });

  test('goes down by a failed decoy for a day, whatever announced checks say after it; a passed decoy lifts nothing', () => {
    const decoy = (given: Partial<ScoredReceipt>): ScoredReceipt => receipt({ paid: true, ...given });
    expect(scores(decoy({ verdict: 'fail', endedAtMs: NOW - 5_000 }), receipt({}))).toEqual({});
    expect(scores(decoy({ verdict: 'fail', endedAtMs: NOW - RECEIPT_VALID_MS - 1 }), receipt({}))).toEqual({
      alice: 1,
    });
    expect(scores(decoy({ verdict: 'fail', endedAtMs: NOW - 5_000 }), receipt({}), decoy({}))).toEqual({ alice: 1 });
    expect(scores(decoy({}))).toEqual({});
  });

  test('counts a GPU for the registration that holds it, and for no other that has passed for it', () => {
    const bobs = receipt({ hotkey: 'bob', machineKey: 'b' });
    expect(scores(receipt({}), bobs, receipt({ machineKey: 'b' }))).toEqual({ alice: 1 });
    expect(scoreHotkeys([receipt({}), bobs], heldBy('bob', 'b'), NOW)).toEqual(new Map([['bob', 1]]));
    const contested = new Map<string, UnitStanding>([['GPU-1', { state: 'contested', rivals: [] }]]);
    expect(scoreHotkeys([receipt({}), bobs], contested, NOW)).toEqual(new Map());
    expect(scoreHotkeys([receipt({}), bobs], new Map(), NOW)).toEqual(new Map());
  });

  test('counts a CPU machine once, though it changed its key', () => {
    expect(scores(receipt({ unit: 'cpu:box' }), receipt({ unit: 'cpu:box', machineKey: 'b' }))).toEqual({ alice: 1 });
  });

  test('keeps CPU machines of the same name apart, since their names are their providers’ own', () => {
    const cpu = { unit: 'cpu:machine' };
    expect(scores(receipt(cpu), receipt({ ...cpu, hotkey: 'bob', verdict: 'fail', endedAtMs: NOW }))).toEqual({
      alice: 1,
    });
    expect(scores(receipt(cpu), receipt({ ...cpu, hotkey: 'bob' }))).toEqual({ alice: 1, bob: 1 });
  });

  test('does not depend on the order of the receipts', () => {
    // Receipts of one moment are told apart by nothing, so each has its own.
    const receipts = fc.uniqueArray(anyReceipt, { selector: (given) => given.endedAtMs, maxLength: 30 });
    fc.assert(
      fc.property(receipts, (given) => {
        expect(scores(...given.toReversed())).toEqual(scores(...given));
      }),
    );
  });
});

describe('a weight row', () => {
  const uids = new Map([
    ['alice', 7],
    ['bob', 2],
    ['carol', 300],
  ]);

  test('gives the best score 65,535 and the others their share, sorted by UID', () => {
    const row = weightRow(
      new Map([
        ['alice', 2],
        ['bob', 1],
        ['carol', 4],
      ]),
      uids,
    );
    expect(row).toEqual([
      [2, 16_383],
      [7, 32_767],
      [300, 65_535],
    ]);
  });

  test('leaves out who has no UID or no score', () => {
    expect(
      weightRow(
        new Map([
          ['alice', 0],
          ['nobody', 5],
          ['bob', 5],
        ]),
        uids,
      ),
    ).toEqual([[2, 65_535]]);
    expect(weightRow(new Map(), uids)).toEqual([]);
    expect(weightRow(new Map([['alice', 0]]), uids)).toEqual([]);
  });

  test('holds whole numbers of 16 bits, each UID once, whatever the receipts say', () => {
    fc.assert(
      fc.property(fc.array(anyReceipt, { maxLength: 60 }), (receipts) => {
        const row = weightRow(scoreHotkeys(receipts, heldBy('alice', 'a'), NOW), uids);
        expect(row.every(([, weight]) => Number.isInteger(weight) && weight > 0 && weight <= 65_535)).toBe(true);
        expect(row.map(([uid]) => uid)).toEqual([...new Set(row.map(([uid]) => uid))].toSorted((a, b) => a - b));
        if (row.length > 0) expect(Math.max(...row.map(([, weight]) => weight))).toBe(65_535);
      }),
    );
  });
});
