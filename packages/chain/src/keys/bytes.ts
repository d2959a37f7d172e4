/** Small byte conversions that keys, documents and logs share; hex is always lowercase and strict. */

const encoder = new TextEncoder();

/** UTF-8 bytes of a string. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Lowercase hex of bytes, without a prefix. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/**
 * Bytes of a hex string, with or without `0x`; `null` when the text is not hex or,
 * with `length` given (in bytes), of another length.
 */
export function fromHex(text: string, length?: number): Uint8Array | null {
  const digits = text.startsWith('0x') || text.startsWith('0X') ? text.slice(2) : text;
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return null;
  if (length !== undefined && digits.length !== length * 2) return null;
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** Concatenation of byte strings. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Whether two byte strings are the same; not for secrets (not constant time). */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** SCALE's compact form of a length, below 2^30. */
export function compactLength(length: number): Uint8Array {
  if (length < 64) return Uint8Array.of(length << 2);
  if (length < 1 << 14) return Uint8Array.of(((length << 2) | 1) & 0xff, length >> 6);
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, ((length << 2) | 2) >>> 0, true);
  return out;
}
