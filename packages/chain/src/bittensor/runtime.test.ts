/** What the adapter needs of a runtime, against Bittensor's own metadata where it is at hand, and the small codecs beside it. */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyFromUri, verifySignature } from '../keys/key-pair.ts';
import { fromHex, toHex } from '../keys/bytes.ts';
import { readNodeAddress } from '../connect.ts';
import { encodeIp, fixed32ToNano, readAxon } from './decoders.ts';
import { encodeEra, signExtrinsic } from './extrinsic.ts';
import { decodeLogAnchor, encodeLogAnchor } from './log-anchor.ts';
import { openRuntime } from './runtime.ts';
import { RpcRefusal } from './rpc-connection.ts';
import { poolErrorName } from './pool-errors.ts';
import { ownMetadata } from '../../tests/scale-node/own-metadata.ts';

/** The main network's metadata: other people's data, beside a checkout where it was laid, or where the environment says. */
const METADATA = join(
  process.env['CELIUM_SHARED'] ?? join(import.meta.dirname, '../../../../../shared'),
  'data/chain/bittensor-metadata-v424.scale',
);
const alice = keyFromUri('//Alice');

test.runIf(existsSync(METADATA))(
  'the main network (spec 424) has everything that is needed, in the expected shapes',
  async () => {
    const runtime = openRuntime(new Uint8Array(readFileSync(METADATA)), 424, 1);
    expect(runtime.problems).toEqual([]);
    expect(runtime.readConstant('Balances.ExistentialDeposit')).toBe(500n);
    expect(runtime.storageKey('SubtensorModule.Weights', [51, 3])).toBe(
      '0x658faa385070e074c85bf6b568cf0555a1e7036061f484bc3048a64b64e35ec433000300',
    );
    const args = { netuid: 51, commit: new Uint8Array(262).fill(9), reveal_round: 1_000n, commit_reveal_version: 4 };
    const call = runtime.encodeCall('SubtensorModule.commit_timelocked_weights', args);
    const context = { genesisHash: 'ab'.repeat(32), nonce: 3, birth: { number: 100, hash: 'cd'.repeat(32) } };
    const signed = await signExtrinsic(runtime, call, context, alice);
    expect(signed.bytes.length / 2 - 1).toBeLessThan(450);
    expect(signed.validUntil).toBe(163);
  },
);

test('our own metadata is complete, and each thing that a change takes away is named', () => {
  expect(openRuntime(ownMetadata(), 425, 1).problems).toEqual([]);
  const poorer = openRuntime(ownMetadata({ setWeightsWithoutVersionKey: true, unknownExtension: true }), 426, 1);
  expect(poorer.problems).toEqual([
    'SubtensorModule.set_weights has no version_key',
    'transaction extension CheckTribute is new',
  ]);
  expect(() => openRuntime(new Uint8Array([1, 2, 3]), 1, 1)).toThrow(/metadata cannot be read/);
});

test('what is signed covers call, era, nonce, versions and chain, and nothing else is accepted', async () => {
  const runtime = openRuntime(ownMetadata(), 425, 1);
  const call = runtime.encodeCall('Balances.transfer_keep_alive', {
    dest: { type: 'Id', value: alice.ss58 },
    value: 5n,
  });
  const context = { genesisHash: 'ab'.repeat(32), nonce: 300, birth: { number: 70, hash: 'cd'.repeat(32) } };
  const { bytes } = await signExtrinsic(runtime, call, context, alice);
  const body = (fromHex(bytes) ?? new Uint8Array()).slice(2);
  const signature = body.slice(35, 99);
  // Era of block 70, nonce 300, no tip, no metadata hash; then spec 425, version 1, genesis, birth, no hash.
  const payload = fromHex(`${toHex(call)}6500b1040000a901000001000000${'ab'.repeat(32)}${'cd'.repeat(32)}00`);
  expect(verifySignature(payload ?? new Uint8Array(), signature, alice.publicKey)).toBe(true);
});

test('an era names its birth: the chain finds the block again from two bytes', () => {
  fc.assert(
    fc.property(fc.nat(100_000_000), fc.nat(62), (birth, waited) => {
      const [low = 0, high = 0] = encodeEra(birth);
      const encoded = low | (high << 8);
      const period = 2 << (encoded & 15);
      const phase = encoded >> 4;
      const now = birth + waited;
      expect(period).toBe(64);
      expect(Math.floor((Math.max(now, phase) - phase) / period) * period + phase).toBe(birth);
    }),
  );
});

test('addresses of both kinds come back as they were, and nothing else is one', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (ip) => {
      const encoded = encodeIp(ip);
      const read = readAxon({ ...encoded, port: 1, protocol: 4, block: 2n });
      if (encoded.ip === 0n) expect(read).toBeNull();
      else expect(encodeIp(read?.ip ?? '')).toEqual(encoded);
    }),
  );
  expect(encodeIp('10.0.1.5')).toEqual({ ip: 167_772_421n, ip_type: 4 });
  for (const bad of ['', '1.2.3', '256.1.1.1', 'host', '::g']) {
    expect(isIP(bad)).toBe(0);
    expect(() => encodeIp(bad)).toThrow(/no IP address/);
  }
});

test('a log head is read back, and other commitments are no log heads', () => {
  fc.assert(
    fc.property(fc.nat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (height, hash) => {
      const head = { height, hash: toHex(hash) };
      expect(decodeLogAnchor(encodeLogAnchor(head))).toEqual(head);
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ minLength: 48, maxLength: 48 }), (bytes) => decodeLogAnchor(bytes) === null));
  expect(() => encodeLogAnchor({ height: -1, hash: '' })).toThrow(/height/);
});

test('what pools say becomes the pallet’s error', () => {
  const name = (code: number, data: string, kind: 'weights' | 'commit' | 'other' = 'other'): string =>
    poolErrorName(new RpcRefusal(code, 'Invalid Transaction', data), kind);
  expect(name(1_010, 'Transaction is outdated')).toBe('Stale');
  expect(name(1_010, 'Custom error: 6', 'weights')).toBe('SettingWeightsTooFast');
  expect(name(1_010, 'Custom error: 6', 'commit')).toBe('CommittingWeightsTooFast');
  expect(name(1_010, 'Custom error: 12')).toBe('ServingRateLimitExceeded');
  expect(name(1_010, 'Custom error: 255')).toBe('Custom(255)');
  expect(name(1_014, '')).toBe('Stale');
  expect(name(1_010, 'something new')).toBe('InvalidTransaction');
});

test('a price with 32 bits after the point is rao', () => {
  expect(fixed32ToNano(1n << 31n)).toBe(500_000_000n);
});

test('an address of nodes says which subnet and network it means', () => {
  const genesis = 'ab'.repeat(32);
  expect(readNodeAddress('ws://127.0.0.1:9944')).toEqual({ endpoints: ['ws://127.0.0.1:9944'], netuid: 51 });
  expect(readNodeAddress(`wss://a.example,wss://b.example#netuid=7&genesis=0x${genesis}`)).toEqual({
    endpoints: ['wss://a.example', 'wss://b.example'],
    netuid: 7,
    genesisHash: genesis,
  });
  expect(readNodeAddress('wss://a.example').genesisHash).toMatch(/^2f0555cc/);
  for (const bad of [
    'ws://a,http://b',
    'ws://a#subnet=1',
    'ws://a#netuid=x',
    'ws://a#netuid=70000',
    'ws://a#genesis=1',
  ]) {
    expect(() => readNodeAddress(bad)).toThrow(/.*/);
  }
});
