/** A drand beacon whose secret the tests know: rounds as of quicknet, signed the same way. */
import { createHash } from 'node:crypto';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { QUICKNET, type Beacon } from '../../src/commit-reveal/drand.ts';
import { toHex } from '../../src/keys/bytes.ts';

const SECRET = new Uint8Array(32).fill(7);
const DOMAIN = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_';

/** Its public side. */
export const TEST_BEACON: Beacon = {
  ...QUICKNET,
  publicKey: toHex(bls12_381.shortSignatures.getPublicKey(SECRET).toBytes()),
};

/** The signature of a round, 48 bytes. */
export function signRound(round: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(round));
  const message = bls12_381.shortSignatures.hash(createHash('sha256').update(bytes).digest(), DOMAIN);
  return bls12_381.shortSignatures.sign(message, SECRET).toBytes();
}
