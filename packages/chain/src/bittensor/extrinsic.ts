/** Signed, mortal extrinsics (version 4): the bytes that a node takes, made from metadata's own list of extensions. */
import { blake2b } from '@noble/hashes/blake2.js';
import { CeliumError } from '@celium/contract';
import { compactLength, concat, fromHex, toHex } from '../keys/bytes.ts';
import type { KeySigner } from '../keys/key-pair.ts';
import type { ExtensionShape, Runtime } from './runtime.ts';

/** How many blocks an extrinsic may wait; a power of two. */
export const MORTAL_BLOCKS = 64;

/** What is known of chain and account when signing. */
export interface SigningContext {
  readonly genesisHash: string;
  readonly nonce: number;
  /** The final block from which on the extrinsic is valid, for `MORTAL_BLOCKS`. */
  readonly birth: { readonly number: number; readonly hash: string };
}

/** An extrinsic that is ready to send. */
export interface SignedExtrinsic {
  /** Hex with 0x. */
  readonly bytes: string;
  /** Blake2-256, 64 hex digits: the transaction hash. */
  readonly hash: string;
  readonly nonce: number;
  readonly birth: SigningContext['birth'];
  /** The last block that may include it. */
  readonly validUntil: number;
}

/** Signs a call. Throws `CHAIN_CHANGED` for an extension that this version does not know. */
export async function signExtrinsic(
  runtime: Runtime,
  call: Uint8Array,
  context: SigningContext,
  signer: KeySigner,
): Promise<SignedExtrinsic> {
  const parts = runtime.extensions.map((extension) => extensionBytes(extension, runtime, context));
  const extra = concat(...parts.map(([value]) => value));
  const implicit = concat(...parts.map(([, beside]) => beside));
  const payload = concat(call, extra, implicit);
  // Long payloads are signed by their hash.
  const signature = await signer.sign(payload.length > 256 ? blake2b(payload, { dkLen: 32 }) : payload);
  const sr25519 = 1;
  const accountId = 0;
  const body = concat(Uint8Array.of(0x84, accountId), signer.publicKey, Uint8Array.of(sr25519), signature, extra, call);
  const bytes = concat(compactLength(body.length), body);
  const { nonce, birth } = context;
  return {
    bytes: `0x${toHex(bytes)}`,
    hash: extrinsicHash(bytes),
    nonce,
    birth,
    validUntil: lastValidBlock(birth.number),
  };
}

/** The hash by which an extrinsic is found in a block. */
export function extrinsicHash(bytes: Uint8Array): string {
  return toHex(blake2b(bytes, { dkLen: 32 }));
}

/** The last block of an era that begins at `birth`. */
export function lastValidBlock(birth: number): number {
  return birth + MORTAL_BLOCKS - 1;
}

/** The two bytes of a mortal era: its length and the birth's place in it. */
export function encodeEra(birth: number, period = MORTAL_BLOCKS): Uint8Array {
  const quantum = Math.max(period >> 12, 1);
  const phase = (Math.floor((birth % period) / quantum) * quantum) / quantum;
  const encoded = Math.min(15, Math.max(1, Math.log2(period) - 1)) | (phase << 4);
  return Uint8Array.of(encoded & 0xff, encoded >> 8);
}

const NONE = new Uint8Array();

/** `[in the extrinsic, signed beside it]`. */
function extensionBytes(
  { name, value, implicit }: ExtensionShape,
  runtime: Runtime,
  { genesisHash, nonce, birth }: SigningContext,
): readonly [Uint8Array, Uint8Array] {
  switch (name) {
    case 'CheckSpecVersion':
      return [NONE, u32(runtime.specVersion)];
    case 'CheckTxVersion':
      return [NONE, u32(runtime.transactionVersion)];
    case 'CheckGenesis':
      return [NONE, hashBytes(genesisHash)];
    case 'CheckMortality':
      return [encodeEra(birth.number), hashBytes(birth.hash)];
    case 'CheckNonce':
      return [compactLength(nonce), NONE];
    case 'ChargeTransactionPayment':
      return [compactLength(0), NONE];
    case 'CheckMetadataHash':
      // Disabled, and so without a hash.
      return [Uint8Array.of(0), Uint8Array.of(0)];
    default:
      if (value.type === 'void' && implicit.type === 'void') return [NONE, NONE];
      throw new CeliumError('CHAIN_CHANGED', `the runtime asks for a transaction extension ${name}, unknown here`);
  }
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

function hashBytes(hash: string): Uint8Array {
  const bytes = fromHex(hash, 32);
  if (bytes === null) throw new CeliumError('CHAIN_WRONG', 'the node gave a block hash of another form');
  return bytes;
}
