/** Reads a signed extrinsic as a node does: form, era, chain, and a real check of the signature. */
import { blake2b } from '@noble/hashes/blake2.js';
import type { getDynamicBuilder } from '@polkadot-api/metadata-builders';
import { concat, fromHex } from '../../src/keys/bytes.ts';
import { verifySignature } from '../../src/keys/key-pair.ts';
import { encodeSs58 } from '../../src/keys/ss58.ts';
import type { BlockRef } from '../../src/subnet-chain.ts';

/** Calls by their two bytes. */
const CALLS: ReadonlyArray<readonly [pallet: string, name: string]> = [
  ['Balances', 'transfer_keep_alive'],
  ...[
    'set_weights',
    'add_stake',
    'serve_axon',
    'transfer_stake',
    'commit_weights',
    'reveal_weights',
    'recycle_alpha',
    'burn_alpha',
    'commit_timelocked_weights',
    'register_limit',
  ].map((name) => ['SubtensorModule', name] as const),
  ['Commitments', 'set_commitment'],
];

/** What it says, its signature checked. */
export interface ReadExtrinsic {
  readonly signer: string;
  readonly nonce: number;
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** The extrinsic, or the pool's name for what is wrong with it. */
export function readExtrinsic(
  bytes: Uint8Array,
  { specVersion, genesisHash }: { specVersion: number; genesisHash: string },
  blocks: readonly BlockRef[],
  builder: ReturnType<typeof getDynamicBuilder>,
): ReadExtrinsic | string {
  const [bodyLength, start] = readCompact(bytes, 0);
  const body = bytes.slice(start);
  if (body.length !== bodyLength || body[0] !== 0x84 || body[1] !== 0 || body[34] !== 1) return 'BadProof';
  const publicKey = body.slice(2, 34);
  const signature = body.slice(35, 99);
  const era = body.slice(99, 101);
  const [nonce, afterNonce] = readCompact(body, 101);
  const [tip, afterTip] = readCompact(body, afterNonce);
  const mode = body[afterTip];
  if (tip !== 0 || mode !== 0) return 'BadProof';
  const call = body.slice(afterTip + 1);
  const encoded = (era[0] ?? 0) | ((era[1] ?? 0) << 8);
  const period = 2 << (encoded & 15);
  const phase = encoded >> 4;
  const best = blocks.length - 1;
  const birth = Math.floor((Math.max(best, phase) - phase) / period) * period + phase;
  const birthHash = blocks[birth]?.hash;
  if (birthHash === undefined || best + 1 > birth + period - 1) return 'AncientBirthBlock';
  const versions = Buffer.alloc(8);
  versions.writeUInt32LE(specVersion, 0);
  versions.writeUInt32LE(1, 4);
  const hash = (text: string): Uint8Array => fromHex(text, 32) ?? new Uint8Array();
  const implicit = concat(versions, hash(genesisHash), hash(birthHash), Uint8Array.of(0));
  const payload = concat(call, body.slice(99, afterTip + 1), implicit);
  const signed = payload.length > 256 ? blake2b(payload, { dkLen: 32 }) : payload;
  if (!verifySignature(signed, signature, publicKey)) return 'BadProof';
  for (const [pallet, name] of CALLS) {
    const { location, codec } = builder.buildCall(pallet, name);
    if (location[0] !== call[0] || location[1] !== call[1]) continue;
    return { signer: encodeSs58(publicKey), nonce, name, args: codec.dec(call.slice(2)) as Record<string, unknown> };
  }
  return 'BadProof';
}

/** `[value, position behind it]`. */
function readCompact(bytes: Uint8Array, at: number): [number, number] {
  const first = bytes[at] ?? 0;
  const size = [1, 2, 4][first & 3] ?? 1;
  const value = bytes.slice(at, at + size).reduceRight((sum, byte) => sum * 256 + byte, 0);
  return [Math.floor(value / 4), at + size];
}
