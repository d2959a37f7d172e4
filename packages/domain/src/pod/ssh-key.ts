/** SSH public keys as renters hand them in: parsed, and written again as type and base64 only, so one line comes out whatever went in. */

/** Key types that pods accept, with the length of their blob's fixed part left to OpenSSH. */
export const SSH_KEY_TYPES = [
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
] as const;

/** The longest blob accepted, in base64 characters (a 16384-bit RSA key fits). */
const MAX_BLOB_LENGTH = 4_096;

export type SshKeyParse = { ok: true; type: string; blobBase64: string; line: string } | { ok: false; why: string };

/** Parses one public key line; a comment is dropped, options are refused. */
export function parseSshPublicKey(text: string): SshKeyParse {
  const trimmed = text.trim();
  if (trimmed.length > 16_384) return { ok: false, why: 'longer than any SSH public key' };
  if (/[\r\n\0]/.test(trimmed)) return { ok: false, why: 'more than one line: give one key at a time' };
  const [type, blobBase64] = trimmed.split(/[ \t]+/);
  if (type === undefined || blobBase64 === undefined)
    return { ok: false, why: 'a key is written "ssh-ed25519 AAAA...": type, then base64' };
  if (!(SSH_KEY_TYPES as readonly string[]).includes(type)) {
    return {
      ok: false,
      why: `the type ${JSON.stringify(type.slice(0, 40))} is not accepted (options are not either); use ssh-ed25519`,
    };
  }
  if (
    blobBase64.length > MAX_BLOB_LENGTH ||
    !/^[A-Za-z0-9+/]+={0,2}$/.test(blobBase64) ||
    blobBase64.length % 4 !== 0
  ) {
    return { ok: false, why: 'the key itself is not base64' };
  }
  const inner = innerType(blobBase64);
  if (inner !== type) return { ok: false, why: 'the base64 part belongs to another key type, or is cut off' };
  return { ok: true, type, blobBase64, line: `${type} ${blobBase64}` };
}

/** The type named inside the blob: a 32-bit length and that many ASCII characters. */
function innerType(blobBase64: string): string | null {
  let bytes: string;
  try {
    bytes = atobStrict(blobBase64);
  } catch {
    return null;
  }
  if (bytes.length < 8) return null;
  const length =
    ((bytes.charCodeAt(0) << 24) | (bytes.charCodeAt(1) << 16) | (bytes.charCodeAt(2) << 8) | bytes.charCodeAt(3)) >>>
    0;
  if (length > 64 || bytes.length < 4 + length + 4) return null;
  return bytes.slice(4, 4 + length);
}

/** Base64 to a string of bytes; `atob` is in every runtime that we have, but pure domain code takes nothing from its host. */
function atobStrict(base64: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  let out = '';
  let bits = 0;
  let held = 0;
  for (const char of base64.replace(/=+$/, '')) {
    const value = alphabet.indexOf(char);
    if (value < 0) throw new RangeError('not base64');
    held = ((held << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += String.fromCharCode((held >> bits) & 0xff);
    }
  }
  return out;
}
