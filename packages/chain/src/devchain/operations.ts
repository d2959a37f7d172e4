/** Devchain operations: their form, what is signed, and their hash. Amounts travel as decimal strings. */
import { createHash } from 'node:crypto';
import { CeliumError, canonicalJson, documentSigningBytes } from '@celium/contract';
import { fromHex, toHex } from '../keys/bytes.ts';
import { verifySignature, type KeySigner } from '../keys/key-pair.ts';
import { isSs58, type Ss58 } from '../keys/ss58.ts';
import type { Rao, WeightsRow } from '../subnet-chain.ts';
import { MAX_WEIGHT } from '../weights-row.ts';

/** What an operation asks for. `faucet` is the one call that nobody signs. */
export type DevchainCall =
  | { readonly call: 'register'; readonly hotkey: Ss58; readonly maxCost: Rao }
  | { readonly call: 'serveAxon'; readonly ip: string; readonly port: number; readonly protocol: number }
  | { readonly call: 'setWeights'; readonly row: WeightsRow; readonly versionKey: bigint }
  | { readonly call: 'commitTimelocked'; readonly sealed: string; readonly round: number }
  | { readonly call: 'commitHashed'; readonly hash: string }
  | {
      readonly call: 'revealWeights';
      readonly row: WeightsRow;
      readonly salt: readonly number[];
      readonly versionKey: bigint;
    }
  | { readonly call: 'anchor'; readonly height: number; readonly hash: string }
  | { readonly call: 'transfer'; readonly to: Ss58; readonly amount: Rao }
  | { readonly call: 'addStake'; readonly hotkey: Ss58; readonly amount: Rao }
  | { readonly call: 'transferAlpha'; readonly hotkey: Ss58; readonly to: Ss58; readonly amount: Rao }
  | { readonly call: 'retireAlpha'; readonly hotkey: Ss58; readonly amount: Rao; readonly how: 'burn' | 'recycle' }
  | { readonly call: 'faucet'; readonly to: Ss58; readonly amount: Rao };

/** An operation as it is signed, sent and logged. `validUntil` is the last block that may include it. */
export interface Operation {
  readonly call: DevchainCall['call'];
  readonly args: Readonly<Record<string, unknown>>;
  /** Public key, 64 hex digits; empty for `faucet`. */
  readonly signer: string;
  readonly nonce: number;
  readonly genesisHash: string;
  readonly validUntil: number;
  readonly signature: string;
}

/** An operation takes at most this many bytes. */
export const LARGEST_OPERATION_BYTES = 65_536;
const U64_LIMIT = 1n << 64n;
const HASH_FORM = /^[0-9a-f]{64}$/;
/** At most 5,000 bytes, as on the live chain. */
const SEALED_FORM = /^([0-9a-f]{2}){1,5000}$/;
const LONGEST_SALT = 64;

/** What is known of the chain and the account when signing. */
export interface OperationContext {
  readonly nonce: number;
  readonly genesisHash: string;
  readonly validUntil: number;
}

/** The hash that names an operation: SHA-256 over its canonical form, signature included; 64 hex digits. */
export function operationHash(operation: Operation): string {
  return createHash('sha256').update(canonicalJson(operation)).digest('hex');
}

/** Signs a call for one chain, one nonce and a limited time. */
export async function signOperation(
  call: DevchainCall,
  context: OperationContext,
  signer: KeySigner,
): Promise<Operation> {
  const unsigned = { ...unsignedOperation(call, context), signer: toHex(signer.publicKey) };
  return { ...unsigned, signature: toHex(await signer.sign(signingBytes(unsigned))) };
}

/** A faucet operation: unsigned, numbered by the chain's own count of them. */
export function faucetOperation(to: Ss58, amount: Rao, context: OperationContext): Operation {
  return unsignedOperation({ call: 'faucet', to, amount }, context);
}

/** Whether the signature is the signer's over exactly this operation. */
export function isSignedRight(operation: Operation): boolean {
  const key = fromHex(operation.signer, 32);
  const signature = fromHex(operation.signature, 64);
  return key !== null && signature !== null && verifySignature(signingBytes(operation), signature, key);
}

/** An operation from outside, with every field of the right form. Throws `BAD_REQUEST` naming the field. */
export function readOperation(value: unknown): Operation {
  const fields = record(value, 'operation');
  const operation: Operation = {
    call: String(fields['call']) as Operation['call'],
    args: record(fields['args'], 'args'),
    signer: text(fields['signer'], 'signer', /^([0-9a-f]{64})?$/),
    nonce: integer(fields['nonce'], 'nonce'),
    genesisHash: text(fields['genesisHash'], 'genesisHash', /^[0-9a-f]{64}$/),
    validUntil: integer(fields['validUntil'], 'validUntil'),
    signature: text(fields['signature'], 'signature', /^([0-9a-f]{128})?$/),
  };
  readCall(operation);
  return operation;
}

/** The call of an operation, its arguments read. Throws `BAD_REQUEST` naming the argument. */
export function readCall(operation: Pick<Operation, 'call' | 'args'>): DevchainCall {
  const { call, args } = operation;
  switch (call) {
    case 'register':
      return { call, hotkey: address(args['hotkey'], 'hotkey'), maxCost: amount(args['maxCost'], 'maxCost') };
    case 'serveAxon':
      return {
        call,
        ip: text(args['ip'], 'ip', /^[0-9a-fA-F.:]{1,45}$/),
        port: integer(args['port'], 'port', MAX_WEIGHT),
        protocol: integer(args['protocol'], 'protocol', 255),
      };
    case 'setWeights':
      return { call, row: row(args['row']), versionKey: amount(args['versionKey'], 'versionKey') };
    case 'commitTimelocked':
      return { call, sealed: text(args['sealed'], 'sealed', SEALED_FORM), round: integer(args['round'], 'round') };
    case 'commitHashed':
      return { call, hash: text(args['hash'], 'hash', HASH_FORM) };
    case 'revealWeights':
      return {
        call,
        row: row(args['row']),
        salt: saltOf(args['salt']),
        versionKey: amount(args['versionKey'], 'versionKey'),
      };
    case 'anchor':
      return { call, height: integer(args['height'], 'height'), hash: text(args['hash'], 'hash', HASH_FORM) };
    case 'transfer':
    case 'faucet':
      return { call, to: address(args['to'], 'to'), amount: amount(args['amount'], 'amount') };
    case 'addStake':
      return { call, hotkey: address(args['hotkey'], 'hotkey'), amount: amount(args['amount'], 'amount') };
    case 'transferAlpha':
      return {
        call,
        hotkey: address(args['hotkey'], 'hotkey'),
        to: address(args['to'], 'to'),
        amount: amount(args['amount'], 'amount'),
      };
    case 'retireAlpha': {
      const how = text(args['how'], 'how', /^(burn|recycle)$/) as 'burn' | 'recycle';
      return { call, hotkey: address(args['hotkey'], 'hotkey'), amount: amount(args['amount'], 'amount'), how };
    }
    default:
      throw new CeliumError('BAD_REQUEST', `the devchain has no call ${JSON.stringify(String(call).slice(0, 40))}`);
  }
}

function unsignedOperation({ call, ...args }: DevchainCall, context: OperationContext): Operation {
  const wireArgs = JSON.parse(canonicalJson(args)) as Record<string, unknown>;
  const { nonce, genesisHash, validUntil } = context;
  return { call, args: wireArgs, signer: '', nonce, genesisHash, validUntil, signature: '' };
}

function signingBytes(operation: Operation): Uint8Array {
  const { signature: _signature, ...signed } = operation;
  return documentSigningBytes('devchain-operation', 1, signed);
}

function bad(name: string, form: string): never {
  throw new CeliumError('BAD_REQUEST', `${name} of the operation must be ${form}`);
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad(name, 'an object');
  return value as Record<string, unknown>;
}

function text(value: unknown, name: string, form: RegExp): string {
  return typeof value === 'string' && form.test(value) ? value : bad(name, `text of the form ${form.source}`);
}

function integer(value: unknown, name: string, most = Number.MAX_SAFE_INTEGER): number {
  const fits = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;
  return fits ? value : bad(name, `a whole number from 0 to ${most}`);
}

function address(value: unknown, name: string): Ss58 {
  return typeof value === 'string' && isSs58(value) ? value : bad(name, 'an SS58 address');
}

function amount(value: unknown, name: string): bigint {
  const number_ = typeof value === 'string' && /^(0|[1-9][0-9]{0,19})$/.test(value) ? BigInt(value) : U64_LIMIT;
  return number_ < U64_LIMIT ? number_ : bad(name, 'a u64 as a decimal string');
}

function saltOf(value: unknown): number[] {
  if (!Array.isArray(value) || value.length > LONGEST_SALT) return bad('salt', `a list of at most ${LONGEST_SALT} u16`);
  return value.map((word) => integer(word, 'salt', MAX_WEIGHT));
}

function row(value: unknown): Array<[number, number]> {
  if (!Array.isArray(value) || value.length > 4_096) return bad('row', 'a list of at most 4096 [uid, weight]');
  return value.map((pair): [number, number] => {
    if (!Array.isArray(pair) || pair.length !== 2) return bad('row', 'a list of [uid, weight]');
    return [integer(pair[0], 'uid', MAX_WEIGHT), integer(pair[1], 'weight', MAX_WEIGHT)];
  });
}
