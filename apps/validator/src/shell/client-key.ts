/**
 * A one-time ed25519 key for SSH, in OpenSSH's own format. Written here because ssh2's generator makes about one key in two hundred that
 * neither ssh2 nor OpenSSH can read (it drops leading zeros).
 */

import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { ClientKey, RandomBytes } from '../ports.ts';

const TYPE = 'ssh-ed25519';
/** PKCS #8 of an ed25519 private key up to its 32 bytes of seed (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SEED_BYTES = 32;
const LINE_LENGTH = 70;

/** Makes a key from fresh randomness. */
export function makeClientKey(randomBytes: RandomBytes): ClientKey {
  const seed = Buffer.from(randomBytes(SEED_BYTES));
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-SEED_BYTES);
  const blob = Buffer.concat([text(TYPE), text(publicKey)]);
  const check = Buffer.from(randomBytes(4));
  const secret = Buffer.concat([
    check,
    check,
    blob,
    text(Buffer.concat([seed, publicKey])),
    // The comment.
    text(''),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    Buffer.from([0, 0, 0, 1]),
    text(blob),
    text(Buffer.concat([secret, padding])),
  ]).toString('base64');
  const lines = file.match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? [];
  return {
    publicLine: `${TYPE} ${blob.toString('base64')}`,
    privateKey: ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n'),
  };
}

/** A string of the SSH protocol: its length and its bytes. */
function text(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
