/** Commit-reveal on a devchain: rows stay hidden until their epoch, and late, bad or missing reveals change nothing. */
import { expect, test } from 'vitest';
import fc from 'fast-check';
import { firstRoundFrom, QUICKNET, roundAt } from '../commit-reveal/drand.ts';
import { decodeWeightsPayload, encodeWeightsPayload } from '../commit-reveal/weights-payload.ts';
import { toHex } from '../keys/bytes.ts';
import { keyFromUri } from '../keys/key-pair.ts';
import { RAO_PER_TAO, type WeightsReceipt } from '../subnet-chain.ts';
import { confirmWeights } from '../weights-row.ts';
import { DevchainClient } from './devchain-client.ts';
import { Devchain } from './devchain.ts';
import { defaultGenesis, type DevchainGenesis } from './genesis.ts';
import { signOperation, type DevchainCall } from './operations.ts';
import { sealForRound } from './sealed-box.ts';
import { DevchainStore } from './store.ts';

const alice = keyFromUri('//Alice');
const validator = keyFromUri('//commit-validator');
const ROW: Array<[number, number]> = [
  [0, 20_000],
  [1, 65_535],
];

interface World {
  devchain: Devchain;
  chain: DevchainClient;
}

/** A subnet of tempo 20 where `validator` has UID 1 and a permit, in the middle of an epoch. */
async function open(overrides: Partial<DevchainGenesis> = {}): Promise<World> {
  const genesis = defaultGenesis({ tempo: 20, commitReveal: true, weightsRateLimitBlocks: 5, ...overrides });
  let nowMs = genesis.timeMs;
  const devchain = new Devchain({ store: new DevchainStore(':memory:'), genesis, now: () => (nowMs += 12_000) });
  const chain = new DevchainClient(devchain);
  await chain.register(alice, validator.ss58, RAO_PER_TAO);
  await chain.addStake(alice, validator.ss58, RAO_PER_TAO);
  devchain.advance(30 - (await chain.heads()).best.number);
  return { devchain, chain };
}

function must(receipt: WeightsReceipt): Extract<WeightsReceipt, { ok: true }> {
  if (receipt.ok) return receipt;
  throw new Error(receipt.error);
}

async function advanceTo({ devchain, chain }: World, block: number): Promise<void> {
  devchain.advance(block - (await chain.heads()).best.number);
}

test('a timelocked row is hidden in its epoch and stands in the next', async () => {
  const world = await open();
  const { chain } = world;
  const receipt = must(await chain.putWeights(validator, ROW, 0n));
  expect(receipt).toMatchObject({ mode: 'timelocked', uid: 1, epoch: 1, revealEpoch: 2 });
  expect(await chain.pendingWeights(validator.ss58)).toMatchObject([
    { mode: 'timelocked', epoch: 1, block: receipt.block.number, revealRound: receipt.revealRound },
  ]);
  await advanceTo(world, 39);
  expect(await chain.weights(1)).toEqual([]);
  expect(await confirmWeights(chain, receipt)).toBe('pending');
  await advanceTo(world, receipt.expectedRevealBlock ?? 0);
  expect(await chain.weights(1)).toEqual(ROW);
  expect(await confirmWeights(chain, receipt)).toBe('confirmed');
  expect(await chain.pendingWeights(validator.ss58)).toEqual([]);
});

test('a commit made in the very block of an epoch counts for the new one', async () => {
  const world = await open();
  await advanceTo(world, 39);
  const receipt = must(await world.chain.putWeights(validator, ROW, 0n));
  expect(receipt).toMatchObject({ epoch: 2, revealEpoch: 3 });
  await advanceTo(world, 59);
  expect(await world.chain.weights(1)).toEqual([]);
  await advanceTo(world, receipt.expectedRevealBlock ?? 0);
  expect(await world.chain.weights(1)).toEqual(ROW);
});

test('a late beacon delays the reveal within its epoch, and one that is too late is a mismatch, not a wrong row', async () => {
  const late = await open();
  const receipt = must(await late.chain.putWeights(validator, ROW, 0n));
  late.devchain.setFaults({ lateDrandRounds: 20 });
  await advanceTo(late, 47);
  expect(await confirmWeights(late.chain, receipt)).toBe('pending');
  await advanceTo(late, 50);
  expect(await confirmWeights(late.chain, receipt)).toBe('confirmed');

  const lost = await open();
  const second = must(await lost.chain.putWeights(validator, ROW, 0n));
  lost.devchain.setFaults({ lateDrandRounds: 500 });
  await advanceTo(lost, 59);
  expect(await confirmWeights(lost.chain, second)).toBe('pending');
  await advanceTo(lost, 61);
  expect(await confirmWeights(lost.chain, second)).toBe('mismatch');
  expect(await lost.chain.weights(1)).toEqual([]);
});

test('commits are limited by rate and number, plain weights are refused, and a commit needs a registration', async () => {
  const { devchain, chain } = await open({ weightsRateLimitBlocks: 1 });
  const submit = async (call: DevchainCall, signer = validator): Promise<string> => {
    const { genesisHash } = await devchain.identity();
    const { nonce } = await devchain.account(signer.ss58, 'open');
    const submitted = await devchain.submit(await signOperation(call, { nonce, genesisHash, validUntil: 999 }, signer));
    return submitted.accepted ? 'ok' : submitted.error;
  };
  expect(await submit({ call: 'setWeights', row: ROW, versionKey: 0n })).toBe('CommitRevealEnabled');
  const sealed = { call: 'commitTimelocked', sealed: '00', round: 1 } as const;
  expect(await submit(sealed, keyFromUri('//stranger'))).toBe('HotKeyNotRegisteredInSubNet');
  await advanceTo({ devchain, chain }, 41);
  const answers: string[] = [];
  for (let index = 0; index < 11; index += 1) answers.push(await submit(sealed));
  expect(answers).toEqual([...Array.from({ length: 10 }, () => 'ok'), 'TooManyUnrevealedCommits']);
  // What does not open is dropped without a word.
  await advanceTo({ devchain, chain }, 80);
  expect(await chain.pendingWeights(validator.ss58)).toEqual([]);
  expect(await chain.weights(1)).toEqual([]);
  const slow = await open();
  must(await slow.chain.putWeights(validator, ROW, 0n));
  expect(await slow.chain.putWeights(validator, ROW, 0n)).toMatchObject({ error: 'CommittingWeightsTooFast' });
});

test('another hotkey’s sealed row is nobody’s', async () => {
  const world = await open();
  const { genesisHash } = await world.devchain.identity();
  const stolen = encodeWeightsPayload({ hotkey: alice.publicKey, row: ROW, versionKey: 0n });
  const call = { call: 'commitTimelocked', sealed: toHex(sealForRound(genesisHash, 7, stolen)), round: 7 } as const;
  await world.devchain.submit(await signOperation(call, { nonce: 0, genesisHash, validUntil: 99 }, validator));
  await advanceTo(world, 45);
  expect(await world.chain.weights(1)).toEqual([]);
});

test('a hashed row is opened by its maker, in its epoch only', async () => {
  const world = await open();
  const { chain } = world;
  const receipt = must(await chain.putWeights(validator, ROW, 0n, { commit: 'hashed' }));
  const secret = receipt.secret ?? { row: [], salt: [], versionKey: 0n };
  expect(receipt).toMatchObject({ mode: 'hashed', epoch: 1, revealEpoch: 2 });
  expect(await chain.revealWeights(validator, secret)).toMatchObject({ error: 'RevealTooEarly', retryable: true });
  await advanceTo(world, 41);
  const wrong = await chain.revealWeights(validator, { ...secret, salt: [1] });
  expect(wrong).toMatchObject({ error: 'InvalidRevealCommitHashNotMatch' });
  expect(await chain.revealWeights(validator, secret)).toMatchObject({ ok: true });
  expect(await confirmWeights(chain, receipt)).toBe('confirmed');
  expect(await chain.revealWeights(validator, secret)).toMatchObject({ error: 'NoWeightsCommitFound' });
  const late = must(await chain.putWeights(validator, [[1, 1]], 0n, { commit: 'hashed' }));
  await advanceTo(world, 81);
  expect(await chain.revealWeights(validator, late.secret ?? secret)).toMatchObject({ error: 'ExpiredWeightCommit' });
  expect(await confirmWeights(chain, late)).toBe('mismatch');
});

test('a payload is read back as it was written, and garbage is no payload', () => {
  const u16 = fc.nat(65_535);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(u16, u16), { maxLength: 300 }),
      fc.bigInt(0n, (1n << 64n) - 1n),
      (row, versionKey) => {
        const payload = { hotkey: alice.publicKey, row, versionKey };
        expect(decodeWeightsPayload(encodeWeightsPayload(payload))).toEqual(payload);
        expect(decodeWeightsPayload(encodeWeightsPayload(payload).slice(0, -1))).toBeNull();
      },
    ),
    { numRuns: 50 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void decodeWeightsPayload(bytes)));
});

test('a round is out when its time has come, not before', () => {
  fc.assert(
    fc.property(fc.integer({ min: QUICKNET.genesisMs, max: 4_000_000_000_000 }), (timeMs) => {
      const round = firstRoundFrom(timeMs);
      expect(roundAt(timeMs + QUICKNET.periodMs - 1)).toBeGreaterThanOrEqual(round);
      expect(roundAt(timeMs - 1)).toBeLessThan(round);
    }),
  );
  expect(roundAt(QUICKNET.genesisMs)).toBe(1);
});
