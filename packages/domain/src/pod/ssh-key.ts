/** SSH public keys as renters hand them in: parsed, and written again as type and base64 only, so one line comes out whatever went in. */

/** Key types that pods accept, each checked as far as its blob's fields. */
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
  const fault = faultOfBlob(type, blobBase64);
  if (fault !== null) return { ok: false, why: fault };
  return { ok: true, type, blobBase64, line: `${type} ${blobBase64}` };
}

/** What each type's blob holds after its name: the length of every field in bytes, or its range. RFC 4253, 5656, 8709; PROTOCOL.u2f. */
const BLOB_FIELDS: Record<(typeof SSH_KEY_TYPES)[number], ReadonlyArray<readonly [min: number, max: number]>> = {
  'ssh-ed25519': [[32, 32]],
  // The exponent, then the modulus: 2,048 to 16,384 bits with a leading zero byte.
  'ssh-rsa': [
    [1, 8],
    [256, 2_049],
  ],
  'ecdsa-sha2-nistp256': [
    [8, 8],
    [65, 65],
  ],
  'ecdsa-sha2-nistp384': [
    [8, 8],
    [97, 97],
  ],
  'ecdsa-sha2-nistp521': [
    [8, 8],
    [133, 133],
  ],
  'sk-ssh-ed25519@openssh.com': [
    [32, 32],
    [1, 255],
  ],
  'sk-ecdsa-sha2-nistp256@openssh.com': [
    [8, 8],
    [65, 65],
    [1, 255],
  ],
};

/** The first thing wrong with a key's blob, or null. A key that OpenSSH could not read would lock its owner out of the pod. */
function faultOfBlob(type: string, blobBase64: string): string | null {
  const bytes = decodeBase64(blobBase64);
  if (bytes === null) return 'the key itself is not base64';
  const fields = readFields(bytes);
  const [name, ...rest] = fields ?? [];
  if (fields === null || name === undefined || name !== type)
    return 'the base64 part belongs to another key type, or is cut off';
  const wanted = BLOB_FIELDS[type as (typeof SSH_KEY_TYPES)[number]];
  const fits =
    rest.length === wanted.length &&
    wanted.every(([min, max], index) => {
      const length = rest[index]?.length ?? 0;
      return length >= min && length <= max;
    });
  if (fits) return null;
  return type === 'ssh-rsa'
    ? 'the RSA key is damaged, or shorter than 2048 bits'
    : 'the base64 part is damaged: its fields have the wrong length';
}

/** The blob's fields, each a 32-bit length and that many bytes (one character a byte); null when it does not end with the last one. */
function readFields(bytes: string): string[] | null {
  const fields: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return null;
    const length = [0, 1, 2, 3].reduce((sum, index) => sum * 256 + bytes.charCodeAt(at + index), 0);
    at += 4;
    if (at + length > bytes.length) return null;
    fields.push(bytes.slice(at, at + length));
    at += length;
  }
  return fields;
}

/** Base64 to a string of bytes, null when the unused bits of the last character are not zero; pure domain code takes nothing from its host. */
function decodeBase64(base64: string): string | null {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  let out = '';
  let bits = 0;
  let held = 0;
  for (const char of base64.replace(/=+$/, '')) {
    held = ((held << 6) | alphabet.indexOf(char)) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += String.fromCharCode((held >> bits) & 0xff);
    }
  }
  return (held & ((1 << bits) - 1)) === 0 ? out : null;
}
