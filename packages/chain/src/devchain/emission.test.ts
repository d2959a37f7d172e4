/** Epochs of the devchain against numbers measured on a real runtime (spec 293: an alpha per block, cycles of 11 blocks), and Yuma's promises. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  MINERS,
  VALIDATOR_UID,
  ben,
  epochWith,
  grown,
  measureGoldenNumbers,
  openEmissionWorld,
  validator,
} from '../../tests/golden-numbers.ts';
import { keyFromUri } from '../keys/key-pair.ts';
import { RAO_PER_TAO } from '../subnet-chain.ts';
import { replayDevchain } from './replay.ts';
import { runYuma, type YumaValidator } from './yuma.ts';

const TAO = RAO_PER_TAO;
const [MINER] = MINERS;

test('every golden number of the real runtime is met', async () => {
  for (const { what, golden, here } of await measureGoldenNumbers())
    expect(`${what}: ${here}`).toBe(`${what}: ${golden}`);
});

test('the owner’s incentive shows as emission, but only the owner’s cut reaches the owner: the rest is burned', async () => {
  const world = await openEmissionWorld();
  const seen = await epochWith(world, [
    [0, 65_535],
    [MINER, 65_535],
  ]);
  expect(Number(seen.after[0]?.emission) / 1e9).toBeCloseTo(4.51 / 2, 3);
  expect(grown(seen, 0)).toBeCloseTo(1.98, 3);
  expect((await world.chain.subnet()).minerBurned).toBeCloseTo(0.5, 6);
});

test('burned incentive still counts as issued, recycled incentive does not', async () => {
  const issuedIn = async (burnMode: 'burn' | 'recycle'): Promise<number> => {
    const world = await openEmissionWorld({ burnMode });
    const receipt = await world.chain.putWeights(validator, [[0, 1]], 0n);
    if (!receipt.ok) throw new Error(receipt.error);
    world.devchain.advance(11 - (receipt.block.number % 11));
    const { alphaOut } = await world.chain.subnet();
    world.devchain.advance(11);
    return Number((await world.chain.subnet()).alphaOut - alphaOut) / 1e9;
  };
  expect(await issuedIn('burn')).toBeCloseTo(11, 6);
  expect(await issuedIn('recycle')).toBeCloseTo(11 - 4.51, 3);
});

test('without weights nobody but the owner is paid, and nothing is lost: the next epoch pays both', async () => {
  const world = await openEmissionWorld();
  const { before, after } = await epochWith(world, [[MINER, 1]]);
  expect(grown({ before, after }, MINER)).toBeCloseTo(4.51, 3);
  // The two epochs before the row counted are in the first payment.
  expect(Number(before[MINER]?.alphaStake) / 1e9).toBeGreaterThan(4.51 * 1.9);
  const { alphaIssued, alphaFound } = world.devchain.audit();
  expect(alphaFound).toBe(alphaIssued);
  expect(replayDevchain(world.store)).toBe(world.devchain.stateHash());
});

test('a slot that changed hands since the row was set gets nothing from it', async () => {
  const world = await openEmissionWorld({ maxUids: 4, immunityPeriodBlocks: 1 });
  await epochWith(world, [
    [1, 1],
    [2, 1],
  ]);
  const late = keyFromUri('//Late');
  // The older of the two with the least stake goes.
  await world.chain.register(ben, late.ss58, TAO);
  world.devchain.advance(22);
  const taken = (await world.chain.neurons()).find(({ hotkey }) => hotkey === late.ss58);
  expect(taken?.uid).toBeLessThan(VALIDATOR_UID);
  expect(taken?.uid).toBeGreaterThan(0);
  expect(taken?.incentive).toBe(0);
});

const rows = fc.array(fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 65_535 })), { minLength: 1, maxLength: 8 });
const validators = fc
  .array(fc.record({ stake: fc.integer({ min: 1, max: 1_000_000 }), weights: rows }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((all) => all.map((one, uid): YumaValidator => ({ uid, ...one, bonds: [] })));

test('shares add up to one, and stake below one half lifts nobody above what the majority gives', () => {
  const sum = (shares: ReadonlyMap<number, number>): number =>
    [...shares.values()].reduce((total, share) => total + share, 0);
  fc.assert(
    fc.property(validators, (all) => {
      const { incentive, dividends } = runYuma(all);
      const total = sum(incentive);
      expect(total === 0 || Math.abs(total - 1) < 1e-9).toBe(true);
      expect(sum(dividends) === 0 || Math.abs(sum(dividends) - 1) < 1e-9).toBe(true);
    }),
  );
  const honest: YumaValidator = { uid: 0, stake: 60, weights: [[5, 1]], bonds: [] };
  const liar: YumaValidator = { uid: 1, stake: 40, weights: [[6, 1]], bonds: [] };
  const { incentive, dividends } = runYuma([honest, liar]);
  expect(incentive.get(6)).toBe(0);
  expect(dividends.get(1)).toBe(0);
});

test('who copies the row of last epoch earns less than who saw first', () => {
  const at = (uid: number, target: number, bonds: YumaValidator['bonds'] = []): YumaValidator => ({
    uid,
    stake: uid === 2 ? 20 : 40,
    weights: [[target, 1]],
    bonds,
  });
  const first = runYuma([at(0, 5), at(1, 5), at(2, 5)]);
  const held = (uid: number): YumaValidator['bonds'] => first.bonds.get(uid) ?? [];
  const moved = runYuma([at(0, 6, held(0)), at(1, 6, held(1)), at(2, 5, held(2))]);
  expect(moved.dividends.get(2) ?? 0).toBeLessThan(0.2);
  expect(moved.incentive.get(6)).toBe(1);
});
