/** Signed requests: bound to method, path, body, nonce, expiry and recipient, so that none can be replayed or redirected. */
import { createHash } from 'node:crypto';
import {
  CeliumError,
  NONCE_MEMORY_MS,
  REQUEST_HEADERS,
  REQUEST_LIFETIME_MS,
  requestSigningBytes,
  type ErrorCode,
  type SignedDocument,
} from '@celium/contract';
import { fromHex, toHex } from '../keys/bytes.ts';
import { verifySignature, type KeySigner, type RandomBytes } from '../keys/key-pair.ts';
import { encodeSs58, type Ss58 } from '../keys/ss58.ts';
import { readEnvelope, signEnvelope, verifyEnvelope } from './documents.ts';

/**
 * How far ahead our own requests expire. Half of the longest lifetime, so that a clock that is off by up to half a
 * minute, either way, needs no second try.
 */
export const SIGNED_AHEAD_MS = REQUEST_LIFETIME_MS / 2;

const NONCE_FORM = /^[A-Za-z0-9_-]{16,64}$/;
const EXPIRY_FORM = /^[0-9]{1,15}$/;

/** What a full nonce store says. */
export const NONCES_FULL = 'too many signed requests arrived within ten minutes: wait, then ask again';

/** A request before it is signed. */
export interface RequestToSign {
  /** Upper case. */
  readonly method: string;
  /** Path with its query, as sent. */
  readonly path: string;
  /** Raw body; absent and empty are the same. */
  readonly body?: Uint8Array | string;
  /** The recipient's public key, 64 hex digits. */
  readonly audience: string;
}

/** What signing needs from outside. */
export interface RequestClock {
  /** Unix milliseconds. */
  now(): number;
  readonly randomBytes: RandomBytes;
}

/** Headers by lowercase name, as Node's HTTP server gives them. */
export type HeaderBag = Readonly<Record<string, string | string[] | undefined>>;

/** Where nonces are remembered until `expiresAtMs` plus ten minutes. */
export interface NonceStore {
  /** True when the nonce is new and now taken, false when it was seen before. Throws `RATE_LIMITED` when the store is full. */
  claim(nonce: string, expiresAtMs: number): Promise<boolean>;
}

/** The recipient's own time, signed for the one request whose nonce it names. */
export interface ClockBody {
  readonly atMs: number;
  readonly nonce: string;
}
export type ClockStatement = SignedDocument<ClockBody>;

/** A request from a known key. */
export interface VerifiedRequest {
  readonly ok: true;
  /** Public key that signed, 64 hex digits, and its address. */
  readonly signer: string;
  readonly ss58: Ss58;
}

/** Why a request was refused. A clock refusal carries `clock`: put it into the answer's `details.clock`. */
export interface RequestRefusal {
  readonly ok: false;
  readonly code: Extract<
    ErrorCode,
    'UNAUTHENTICATED' | 'SIGNATURE_WRONG' | 'AUDIENCE_WRONG' | 'REQUEST_EXPIRED' | 'NONCE_REPLAYED'
  >;
  readonly message: string;
  readonly clock?: ClockStatement;
}

/** A request as it arrived. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path with its query, as received. */
  readonly path: string;
  readonly headers: HeaderBag;
  /** The raw body bytes, before any parsing. */
  readonly body?: Uint8Array | string;
}

/** What the recipient needs: its own key (the audience), its clock, its memory of nonces. */
export interface RequestVerifier {
  readonly self: KeySigner;
  now(): number;
  readonly nonces: NonceStore;
}

/**
 * The headers that sign a request. `skewMs` is added to our clock (see `RequestSigner`).
 *
 * @example fetch(url, { method: 'POST', body, headers: await signRequest({ method: 'POST', path, body, audience }, key, clock) })
 */
export async function signRequest(
  request: RequestToSign,
  signer: KeySigner,
  clock: RequestClock,
  skewMs = 0,
): Promise<Record<string, string>> {
  const nonce = toHex(new Uint8Array(clock.randomBytes(16)));
  const expiresAtMs = Math.round(clock.now() + skewMs) + SIGNED_AHEAD_MS;
  const bytes = requestSigningBytes({
    method: request.method,
    path: request.path,
    bodySha256Hex: sha256Hex(request.body),
    nonce,
    expiresAtMs,
    audience: request.audience,
  });
  return {
    [REQUEST_HEADERS.key]: toHex(signer.publicKey),
    [REQUEST_HEADERS.signature]: toHex(await signer.sign(bytes)),
    [REQUEST_HEADERS.nonce]: nonce,
    [REQUEST_HEADERS.expiresAtMs]: String(expiresAtMs),
    [REQUEST_HEADERS.audience]: request.audience,
  };
}

/**
 * Checks a signed request: form, audience, signature (over the body as received), clock, and last the nonce, which is
 * taken only by a request that is right in all else. Never throws on garbage; a full nonce store throws `RATE_LIMITED`.
 */
export async function verifyRequest(
  request: ReceivedRequest,
  recipient: RequestVerifier,
): Promise<VerifiedRequest | RequestRefusal> {
  const signer = header(request.headers, REQUEST_HEADERS.key);
  const signatureHex = header(request.headers, REQUEST_HEADERS.signature);
  const nonce = header(request.headers, REQUEST_HEADERS.nonce);
  const expiry = header(request.headers, REQUEST_HEADERS.expiresAtMs);
  const audience = header(request.headers, REQUEST_HEADERS.audience);
  if (!signer || !signatureHex || !nonce || !expiry || !audience) {
    return refuse('UNAUTHENTICATED', 'the request is not signed: it lacks one of the five signature headers');
  }
  const key = /^[0-9a-f]{64}$/.test(signer) ? fromHex(signer) : null;
  const signature = fromHex(signatureHex, 64);
  if (!key || !signature || !NONCE_FORM.test(nonce) || !EXPIRY_FORM.test(expiry)) {
    return refuse('UNAUTHENTICATED', 'a signature header is malformed (key and signature are hex, expiry unix ms)');
  }
  const self = toHex(recipient.self.publicKey);
  if (audience !== self)
    return refuse('AUDIENCE_WRONG', `the request is for ${audience.slice(0, 64)}, this is ${self}`);
  const expiresAtMs = Number(expiry);
  const bytes = requestSigningBytes({
    method: request.method,
    path: request.path,
    bodySha256Hex: sha256Hex(request.body),
    nonce,
    expiresAtMs,
    audience,
  });
  if (!verifySignature(bytes, signature, key)) {
    return refuse('SIGNATURE_WRONG', 'the signature does not fit the key, method, path and body');
  }
  const nowMs = recipient.now();
  if (expiresAtMs <= nowMs || expiresAtMs > nowMs + REQUEST_LIFETIME_MS) {
    const when = expiresAtMs <= nowMs ? 'has expired' : 'expires too far in the future';
    const clock = await signEnvelope('clock', 1, { atMs: Math.round(nowMs), nonce }, recipient.self);
    return { ...refuse('REQUEST_EXPIRED', `the request ${when}: the time here is ${Math.round(nowMs)}`), clock };
  }
  if (!(await recipient.nonces.claim(`${signer}:${nonce}`, expiresAtMs))) {
    return refuse('NONCE_REPLAYED', 'this signed request was seen before');
  }
  return { ok: true, signer, ss58: encodeSs58(key) };
}

/**
 * The caller's side: signs, and after a clock refusal signs once more by the recipient's time, which it keeps for the
 * next request to the same recipient.
 */
export class RequestSigner {
  readonly #signer: KeySigner;
  readonly #clock: RequestClock;
  readonly #skewMs = new Map<string, number>();

  constructor(signer: KeySigner, clock: RequestClock) {
    this.#signer = signer;
    this.#clock = clock;
  }

  /**
   * Runs `attempt` with signed headers, and a second and last time when `clockOf` finds the recipient's signed time
   * in the answer (see `clockOfErrorBody`) and it is really the recipient's, for this request.
   */
  async call<Answer>(
    request: RequestToSign,
    attempt: (headers: Record<string, string>) => Promise<Answer>,
    clockOf: (answer: Answer) => unknown,
  ): Promise<Answer> {
    const headers = await this.sign(request);
    const answer = await attempt(headers);
    const statement = clockOf(answer);
    if (statement === null || statement === undefined || !this.adopt(request.audience, headers, statement)) {
      return answer;
    }
    return attempt(await this.sign(request));
  }

  /** Headers signed by our clock, corrected by what this recipient last said of its own. */
  sign(request: RequestToSign): Promise<Record<string, string>> {
    return signRequest(request, this.#signer, this.#clock, this.#skewMs.get(request.audience) ?? 0);
  }

  /** Takes over a recipient's signed time; false when it is not signed by it for exactly this request. */
  adopt(audience: string, headers: Record<string, string>, statement: unknown): boolean {
    const signed = readEnvelope(statement);
    if (signed === null || signed.document !== 'clock' || signed.version !== 1 || signed.signer !== audience)
      return false;
    const { atMs, nonce } = signed.body as Partial<ClockBody>;
    if (!Number.isSafeInteger(atMs) || nonce !== headers[REQUEST_HEADERS.nonce] || !verifyEnvelope(signed))
      return false;
    if (this.#skewMs.size >= 10_000) this.#skewMs.clear();
    this.#skewMs.set(audience, (atMs as number) - this.#clock.now());
    return true;
  }
}

/** The signed time inside an error answer's body (`error.details.clock`), or null. */
export function clockOfErrorBody(body: unknown): unknown {
  const error = (body as { error?: { code?: unknown; details?: { clock?: unknown } } } | null)?.error;
  return error?.code === 'REQUEST_EXPIRED' ? (error.details?.clock ?? null) : null;
}

/** Nonces in memory, for tests and simulations: forgets with its process, and beyond `maxNonces` throws `RATE_LIMITED`. */
export class MemoryNonceStore implements NonceStore {
  readonly #forgetAtMs = new Map<string, number>();
  readonly #now: () => number;
  readonly #maxNonces: number;

  constructor(now: () => number, maxNonces = 100_000) {
    this.#now = now;
    this.#maxNonces = maxNonces;
  }

  async claim(nonce: string, expiresAtMs: number): Promise<boolean> {
    for (const [old, forgetAtMs] of this.#forgetAtMs) {
      if (forgetAtMs >= this.#now()) break;
      this.#forgetAtMs.delete(old);
    }
    if (this.#forgetAtMs.has(nonce)) return false;
    if (this.#forgetAtMs.size >= this.#maxNonces) throw new CeliumError('RATE_LIMITED', NONCES_FULL);
    this.#forgetAtMs.set(nonce, expiresAtMs + NONCE_MEMORY_MS);
    return true;
  }
}

function sha256Hex(body: Uint8Array | string | undefined): string {
  return createHash('sha256')
    .update(body ?? '')
    .digest('hex');
}

function header(headers: HeaderBag, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' && value.length > 0 && value.length <= 512 ? value : null;
}

function refuse(code: RequestRefusal['code'], message: string): RequestRefusal {
  return { ok: false, code, message };
}
