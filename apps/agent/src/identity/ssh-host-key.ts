/** Makes the SSH host key of one lease and writes it the way OpenSSH reads it (PROTOCOL.key of openssh-portable, unencrypted). */
import { generateKeyPairSync, randomBytes } from 'node:crypto';

/** `privateKeyFile` is the text of a private key file; `publicKeyLine` is `ssh-ed25519 AAAA...` without comment. */
export interface SshHostKey {
  privateKeyFile: string;
  publicKeyLine: string;
}

const KEY_TYPE = 'ssh-ed25519';
const BLOCK_BYTES = 8;
const LINE_CHARACTERS = 70;

/** A new ed25519 host key from the system's randomness. */
export function makeSshHostKey(): SshHostKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const jwk = privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(jwk.d ?? '', 'base64url');
  const publicKey = Buffer.from(jwk.x ?? '', 'base64url');
  return encodeSshHostKey(seed, publicKey, randomBytes(4));
}

/** The two texts of an ed25519 key: `seed` and `publicKey` have 32 bytes, `check` any 4 bytes. */
export function encodeSshHostKey(seed: Uint8Array, publicKey: Uint8Array, check: Uint8Array): SshHostKey {
  if (seed.length !== 32 || publicKey.length !== 32 || check.length !== 4) {
    throw new RangeError('an ed25519 key has a seed of 32 bytes, a public key of 32 bytes and a check of 4 bytes');
  }
  const publicBlob = Buffer.concat([field(KEY_TYPE), field(publicKey)]);
  const secrets = Buffer.concat([
    check,
    check,
    field(KEY_TYPE),
    field(publicKey),
    field(Buffer.concat([seed, publicKey])),
    field(''),
  ]);
  const padding = Buffer.from(
    Array.from({ length: (BLOCK_BYTES - (secrets.length % BLOCK_BYTES)) % BLOCK_BYTES }, (_, index) => index + 1),
  );
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0', 'latin1'),
    field('none'),
    field('none'),
    field(''),
    uint32(1),
    field(publicBlob),
    field(Buffer.concat([secrets, padding])),
  ]);
  const lines = file.toString('base64').match(new RegExp(`.{1,${LINE_CHARACTERS}}`, 'g')) ?? [];
  return {
    privateKeyFile: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicKeyLine: `${KEY_TYPE} ${publicBlob.toString('base64')}`,
  };
}

function field(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
