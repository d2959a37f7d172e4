/**
 * What exactly is signed: the canonical bytes of documents and of requests. No key ever comes here; signing itself is in `chain`.
 *
 * Canonical form is RFC 8785 (JSON Canonicalization Scheme), with bigint written as a decimal string.
 */

/** A document as it travels: what it is, its major version, its body, who signed, and the signature (lowercase hex). */
export interface SignedDocument<Body = unknown> {
  document: string;
  version: number;
  body: Body;
  /** The sr25519 public key that signed, 32 bytes as 64 hex digits. */
  signer: string;
  /** The sr25519 signature (context `substrate`), 64 bytes as 128 hex digits. */
  signature: string;
}

/** Headers of a signed request; values are hex, decimal or base64url text. */
export const REQUEST_HEADERS = {
  key: 'x-celium-key',
  signature: 'x-celium-signature',
  nonce: 'x-celium-nonce',
  expiresAtMs: 'x-celium-expires',
  audience: 'x-celium-audience',
} as const;

/** How far in the future a signed request may expire, in milliseconds. */
export const REQUEST_LIFETIME_MS = 60_000;

/** How long a nonce is remembered after its request expired, in milliseconds. */
export const NONCE_MEMORY_MS = 10 * 60_000;

/** The deepest nesting that has a canonical form here: no document comes near it, and a stranger's JSON must not exhaust the stack. */
export const MAX_CANONICAL_DEPTH = 64;

/**
 * A value in RFC 8785 canonical form.
 *
 * Members whose value is `undefined` are left out; bigint becomes a decimal string.
 * @throws TypeError for what JSON cannot say (NaN, infinities, functions, symbols, dates, maps, bytes, lone surrogates, holes in arrays)
 *   and for what is nested deeper than `MAX_CANONICAL_DEPTH`.
 */
export function canonicalJson(value: unknown): string {
  return canonicalAt(value, 0);
}

function canonicalAt(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('a string with a lone surrogate has no canonical form');
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value))
        throw new TypeError(`${value} has no canonical form: JSON knows finite numbers only`);
      return JSON.stringify(value);
    case 'bigint':
      return `"${value}"`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : canonicalStructure(value, depth);
    default:
      throw new TypeError(`a ${typeof value} has no canonical form`);
  }
}

function canonicalStructure(value: object, depth: number): string {
  if (depth >= MAX_CANONICAL_DEPTH) throw new TypeError(`nested deeper than ${MAX_CANONICAL_DEPTH} levels`);
  if (Array.isArray(value)) return `[${Array.from(value, (item) => canonicalAt(item, depth + 1)).join(',')}]`;
  const kind = Object.prototype.toString.call(value);
  if (kind !== '[object Object]') throw new TypeError(`${kind} has no canonical form: write it as text or a number`);
  return canonicalObject(value as Record<string, unknown>, depth);
}

function canonicalObject(value: Record<string, unknown>, depth: number): string {
  const members: string[] = [];
  // JavaScript's own sort compares UTF-16 code units, which is the order that RFC 8785 asks for.
  for (const name of Object.keys(value).sort()) {
    const member = value[name];
    if (member !== undefined) members.push(`${canonicalAt(name, depth)}:${canonicalAt(member, depth + 1)}`);
  }
  return `{${members.join(',')}}`;
}

/** The bytes that a document's signature covers: `celium/<document>/v<version>\n` and the canonical body. */
export function documentSigningBytes(document: string, version: number, body: unknown): Uint8Array {
  return new TextEncoder().encode(`celium/${document}/v${version}\n${canonicalJson(body)}`);
}

/** What a signed request binds. */
export interface RequestBinding {
  /** Upper case: `GET`, `POST`. */
  method: string;
  /** Path with its query, as sent. */
  path: string;
  /** SHA-256 of the raw body (of zero bytes when there is none), lowercase hex. */
  bodySha256Hex: string;
  nonce: string;
  expiresAtMs: number;
  /** The recipient's public key, lowercase hex. */
  audience: string;
}

/** The bytes that a signed request's signature covers. */
export function requestSigningBytes(binding: RequestBinding): Uint8Array {
  return documentSigningBytes('request', 1, binding);
}
