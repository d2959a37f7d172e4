/** The devchain is deterministic, keeps money whole, refuses by the chain's own names, and forgets nothing it acknowledged. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectChain } from '../connect.ts';
import { keyFromUri, type KeyPair } from '../keys/key-pair.ts';
import { RAO_PER_TAO, type Outcome } from '../subnet-chain.ts';
import { DevchainClient } from './devchain-client.ts';
import { Devchain, type DevchainOptions } from './devchain.ts';
import { replayDevchain } from './replay.ts';
import { defaultGenesis, type DevchainGenesis } from './genesis.ts';
import { faucetOperation, signOperation, type DevchainCall, type Operation } from './operations.ts';
import { DevchainStore } from './store.ts';

const TAO = RAO_PER_TAO;
const zeros = (length: number): Uint8Array => new Uint8Array(length);
/** Keys without chance in their signatures, so that two runs make the same operations. */
const alice = keyFromUri('//Alice', { randomBytes: zeros });
const people = ['Ann', 'Ben', 'Cid', 'Dot'].map((name) => keyFromUri(`//${name}`, { randomBytes: zeros }));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-devchain-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(overrides: Partial<DevchainGenesis> = {}, options: Partial<DevchainOptions> = {}): Devchain {
  let nowMs = 1_790_000_000_000;
  return new Devchain({
    store: new DevchainStore(':memory:'),
    genesis: defaultGenesis({ tempo: 20, ...overrides }),
    now: () => (nowMs += 12_000),
    ...options,
  });
}

async function operation(
  devchain: Devchain,
  signer: KeyPair,
  call: DevchainCall,
  changes: Partial<Operation> = {},
): Promise<Operation> {
  const { genesisHash } = await devchain.identity();
  const { nonce } = await devchain.account(signer.ss58, 'open');
  const { best } = await devchain.heads();
  return { ...(await signOperation(call, { nonce, genesisHash, validUntil: best.number + 10 }, signer)), ...changes };
}

async function errorOf(devchain: Devchain, signed: Operation): Promise<string> {
  const submitted = await devchain.submit(signed);
  return submitted.accepted ? 'accepted' : submitted.error;
}

function outcomeOf(outcome: Outcome): string {
  return outcome.ok ? 'ok' : outcome.error;
}

const gift: DevchainCall = { call: 'transfer', to: people[0]?.ss58 ?? '', amount: TAO };

test('an operation is accepted once, from its signer, on its chain, at its nonce, in its time', async () => {
  const devchain = open();
  const signed = await operation(devchain, alice, gift);
  const other = await operation(open({ seed: 'other' }), alice, gift);
  expect(await errorOf(devchain, other)).toBe('BadProof');
  expect(await errorOf(devchain, { ...signed, args: { ...signed.args, amount: '5' } })).toBe('BadProof');
  expect(await errorOf(devchain, { ...signed, signer: signed.genesisHash })).toBe('BadProof');
  expect(await errorOf(devchain, { ...signed, validUntil: signed.validUntil + 1 })).toBe('BadProof');
  expect(await devchain.submit(signed)).toMatchObject({ accepted: true });
  const { best } = await devchain.heads();
  expect(await devchain.submit(signed)).toMatchObject({ accepted: true });
  expect((await devchain.heads()).best).toEqual(best);
  expect((await devchain.account(people[0]?.ss58 ?? '', 'best')).free).toBe(String(TAO));
  const { genesisHash } = await devchain.identity();
  const at = (nonce: number, validUntil: number) => signOperation(gift, { nonce, genesisHash, validUntil }, alice);
  expect(await errorOf(devchain, await at(0, 99))).toBe('Stale');
  expect(await errorOf(devchain, await at(2, 99))).toBe('Future');
  expect(await errorOf(devchain, await at(1, best.number))).toBe('AncientBirthBlock');
});

test('a malformed operation is refused by the name of its field', async () => {
  const devchain = open();
  const signed = await operation(devchain, alice, gift);
  const changed: Array<[string, unknown]> = [
    ['amount', { ...signed, args: { ...signed.args, amount: '-1' } }],
    ['amount', { ...signed, args: { ...signed.args, amount: String(1n << 64n) } }],
    ['to', { ...signed, args: { ...signed.args, to: 'nobody' } }],
    ['nonce', { ...signed, nonce: 0.5 }],
    ['no call', { ...signed, call: 'sudo' }],
    ['operation', null],
  ];
  for (const [field, value] of changed) {
    await expect(devchain.submit(value as Operation)).rejects.toThrow(field);
  }
  await fc.assert(
    fc.asyncProperty(fc.anything(), async (value) => {
      await expect(devchain.submit(value as Operation)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    }),
  );
});

test('a faucet gift is given once, and only by the faucet’s own count', async () => {
  const devchain = open();
  await devchain.faucet(alice.ss58, '1000');
  const { genesisHash } = await devchain.identity();
  const context = { nonce: 0, genesisHash, validUntil: 9 };
  expect(await errorOf(devchain, faucetOperation(alice.ss58, 1_000n, context))).toBe('Stale');
  expect(await errorOf(devchain, faucetOperation(alice.ss58, 1_000n, { ...context, nonce: 2 }))).toBe('Future');
  expect(await errorOf(devchain, faucetOperation(alice.ss58, 1n << 60n, { ...context, nonce: 1 }))).toBe('Overflow');
  expect((await devchain.account(alice.ss58, 'best')).free).toBe(String(1_000_000n * TAO + 1_000n));
});

test('a transfer keeps the sender alive and makes no dust', async () => {
  const devchain = open();
  const chain = new DevchainClient(devchain);
  const [ann, ben] = people as [KeyPair, KeyPair];
  await chain.faucet(ann.ss58, TAO);
  expect(outcomeOf(await chain.transfer(ann, ben.ss58, 2n * TAO))).toBe('FundsUnavailable');
  expect(outcomeOf(await chain.transfer(ann, ben.ss58, TAO - 137_000n))).toBe('NotExpendable');
  expect(outcomeOf(await chain.transfer(ann, ben.ss58, 499n))).toBe('BelowMinimum');
  expect(outcomeOf(await chain.transfer(ben, ann.ss58, 1n))).toBe('Payment');
  expect(outcomeOf(await chain.transfer(ann, ben.ss58, TAO - 137_500n))).toBe('ok');
  expect((await chain.balance(ann.ss58)).free).toBe(500n);
});

test('a full subnet gives the slot of the least stake outside immunity, never the owner’s', async () => {
  const devchain = open({ maxUids: 3, immunityPeriodBlocks: 10 });
  const chain = new DevchainClient(devchain);
  const [ann, ben, cid, dot] = people as [KeyPair, KeyPair, KeyPair, KeyPair];
  const hotkeys = async (): Promise<string[]> => (await chain.neurons()).map(({ hotkey }) => hotkey);
  await chain.register(alice, ann.ss58, TAO);
  await chain.register(alice, ben.ss58, TAO);
  await chain.addStake(alice, ann.ss58, TAO);
  devchain.advance(10);
  await chain.register(alice, cid.ss58, TAO);
  expect(await hotkeys()).toEqual([devchain.genesis.ownerHotkey, ann.ss58, cid.ss58]);
  // Ann has stake but no immunity, Cid immunity but no stake: immunity goes first.
  await chain.register(alice, dot.ss58, TAO);
  expect(await hotkeys()).toEqual([devchain.genesis.ownerHotkey, dot.ss58, cid.ss58]);
  expect((await chain.neurons())[1]?.registeredAt).toBe((await chain.heads()).best.number);
});

test('each registration raises the price, each epoch lowers it to its floor', async () => {
  const devchain = open();
  const chain = new DevchainClient(devchain);
  const floor = (await chain.subnet()).registrationCost;
  await chain.register(alice, people[0]?.ss58 ?? '', TAO);
  expect((await chain.subnet()).registrationCost).toBe(floor + floor / 8n);
  devchain.advance(60);
  expect((await chain.subnet()).registrationCost).toBe(floor);
});

test('a hotkey belongs to the coldkey that first registered it', async () => {
  const devchain = open({ maxUids: 2, immunityPeriodBlocks: 1 });
  const chain = new DevchainClient(devchain);
  const [ann, ben, cid] = people as [KeyPair, KeyPair, KeyPair];
  await chain.faucet(cid.ss58, 10n * TAO);
  await chain.register(alice, ann.ss58, TAO);
  devchain.advance(1);
  await chain.register(alice, ben.ss58, TAO);
  expect(outcomeOf(await chain.register(cid, ann.ss58, TAO))).toBe('NonAssociatedColdKey');
});

test('permits go to the most stake at the epoch, and weights obey the pallet’s checks', async () => {
  const devchain = open({ maxValidators: 1, weightsVersionKey: 7n, weightsRateLimitBlocks: 5, minAllowedWeights: 2 });
  const chain = new DevchainClient(devchain);
  const [ann, ben] = people as [KeyPair, KeyPair];
  for (const key of [ann, ben]) await chain.register(alice, key.ss58, TAO);
  await chain.addStake(alice, ann.ss58, TAO);
  await chain.addStake(alice, ben.ss58, 5n * TAO);
  devchain.advance(20);
  expect((await chain.neurons()).map(({ validatorPermit }) => validatorPermit)).toEqual([false, false, true]);
  const put = async (key: KeyPair, row: Array<[number, number]>, version = 7n): Promise<string> => {
    const receipt = await chain.putWeights(key, row, version);
    return receipt.ok ? 'ok' : receipt.error;
  };
  const fair: Array<[number, number]> = [
    [0, 1],
    [1, 1],
  ];
  expect(await put(keyFromUri('//Nobody'), fair)).toBe('HotKeyNotRegisteredInSubNet');
  expect(await put(ann, fair)).toBe('NeuronNoValidatorPermit');
  expect(await put(ben, fair, 6n)).toBe('IncorrectWeightVersionKey');
  expect(
    await put(ben, [
      [0, 1],
      [0, 2],
    ]),
  ).toBe('DuplicateUids');
  expect(
    await put(ben, [
      [0, 1],
      [9, 2],
    ]),
  ).toBe('UidVecContainInvalidOne');
  expect(await put(ben, [[0, 1]])).toBe('WeightVecLengthIsLow');
  expect(
    await put(ben, [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
    ]),
  ).toBe('UidsLengthExceedUidsInSubNet');
  expect(
    await put(ben, [
      [1, 100],
      [0, 300],
    ]),
  ).toBe('ok');
  expect(await chain.weights(2)).toEqual([
    [0, 65_535],
    [1, 21_845],
  ]);
  expect(await put(ben, fair)).toBe('SettingWeightsTooFast');
  devchain.advance(5);
  expect(await put(ben, fair)).toBe('ok');
  expect(await put(ann, [[1, 1]])).toBe('ok');
  await expect(chain.putWeights(ben, [[0, 70_000]], 7n)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
});

test('an axon without an address or port is refused', async () => {
  const devchain = open();
  const chain = new DevchainClient(devchain);
  const [ann] = people as [KeyPair];
  await chain.register(alice, ann.ss58, TAO);
  expect(outcomeOf(await chain.serveAxon(ann, { ip: '0.0.0.0', port: 1, protocol: 4 }))).toBe('InvalidIpAddress');
  expect(outcomeOf(await chain.serveAxon(ann, { ip: '1.2.3', port: 1, protocol: 4 }))).toBe('InvalidIpAddress');
  expect(outcomeOf(await chain.serveAxon(ann, { ip: '::1', port: 0, protocol: 4 }))).toBe('InvalidPort');
  expect(outcomeOf(await chain.serveAxon(ann, { ip: '127.0.0.1', port: 9, protocol: 4 }))).toBe('ok');
});

type Step = readonly [who: number, whom: number, amount: bigint, what: number];

async function play(devchain: Devchain, steps: readonly Step[]): Promise<void> {
  for (const [who, whom, amount, what] of steps) {
    const signer = people[who] ?? alice;
    const target = (people[whom] ?? alice).ss58;
    const calls: DevchainCall[] = [
      { call: 'transfer', to: target, amount },
      { call: 'register', hotkey: target, maxCost: amount },
      { call: 'addStake', hotkey: target, amount },
      { call: 'retireAlpha', hotkey: target, amount, how: amount % 2n === 0n ? 'burn' : 'recycle' },
    ];
    const call = calls[what];
    if (call !== undefined) await devchain.submit(await operation(devchain, signer, call));
    else if (what === 4) await devchain.faucet(signer.ss58, String(amount));
    else devchain.seal();
  }
}

const steps = fc.array(
  fc.tuple(fc.nat(4), fc.nat(4), fc.oneof(fc.bigInt(0n, 2_000n), fc.bigInt(0n, 50n * TAO)), fc.nat(5)),
  { maxLength: 25 },
);
const rich = {
  endowments: [alice, ...people].map(({ ss58 }) => ({ ss58, free: 100n * TAO })),
  maxUids: 3,
  immunityPeriodBlocks: 3,
  alphaPerBlock: TAO,
};

test('no sequence of operations makes or loses a rao of TAO or alpha', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const devchain = open(rich, { sealing: 'on-demand' });
      await play(devchain, sequence);
      const { issued, found, alphaIssued, alphaFound } = devchain.audit();
      expect(found).toBe(issued);
      expect(alphaFound).toBe(alphaIssued);
      for (const key of [alice, ...people])
        expect(BigInt((await devchain.account(key.ss58, 'open')).free)).toBeGreaterThanOrEqual(0n);
    }),
    { numRuns: 30 },
  );
});

test('the same operations and times give the same state, and the log replays to it', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const store = new DevchainStore(':memory:');
      const one = open(rich, { store, sealing: 'on-demand' });
      const two = open(rich, { sealing: 'on-demand' });
      await play(one, sequence);
      await play(two, sequence);
      expect(two.stateHash()).toBe(one.stateHash());
      expect((await two.heads()).best).toEqual((await one.heads()).best);
      expect(replayDevchain(store)).toBe(one.stateHash());
    }),
    { numRuns: 15 },
  );
});

test('a chain reopened after many blocks goes on where it was, old states and streams included', async () => {
  const file = join(folder, 'devchain.sqlite');
  const first = open({ tempo: 7 }, { store: new DevchainStore(file), sealing: 'on-demand' });
  first.advance(450);
  const ann = people[0]?.ss58 ?? '';
  await first.submit(await operation(first, alice, gift));
  const paid = first.seal();
  first.advance(3);
  await first.submit(await operation(first, alice, gift));
  const before = { hash: first.stateHash(), heads: await first.heads() };
  await first.close();
  const second = open({ seed: 'ignored' }, { store: new DevchainStore(file), sealing: 'on-demand' });
  expect({ hash: second.stateHash(), heads: await second.heads() }).toEqual(before);
  expect((await second.account(ann, { hash: paid.hash })).free).toBe(String(TAO));
  expect((await second.account(ann, 'open')).free).toBe(String(2n * TAO));
  const blocks = await second.finalizedBlocks(0, 500, 0);
  expect(blocks.map(({ block }) => block.number)).toEqual(Array.from({ length: blocks.length }, (_, index) => index));
  expect(blocks[paid.number]?.transfers).toEqual([{ from: alice.ss58, to: ann, amount: String(TAO), eventIndex: 0 }]);
  await second.close();
  expect(() => new DevchainStore(file)).not.toThrow();
});

test('one state folder has one devchain', () => {
  const file = join(folder, 'devchain.sqlite');
  const store = new DevchainStore(file);
  expect(() => new DevchainStore(file)).toThrow(/another process/);
  store.close();
});

test('a state beyond the window is refused, not invented', async () => {
  const devchain = open({ stateWindowBlocks: 5 });
  const { hash } = devchain.seal();
  devchain.advance(5);
  await expect(devchain.neurons({ hash })).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('what is no address of a chain is refused by name', () => {
  for (const address of ['localhost', 'https://127.0.0.1:7744', '']) {
    expect(() => connectChain(address)).toThrow(/no chain address/);
  }
});
