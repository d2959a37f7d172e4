/** A signed request works once, for one recipient, in its minute, as it was sent. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CeliumError, errorBody } from '@celium/contract';
import { expect, test } from 'vitest';
import { toHex } from '../keys/bytes.ts';
import { keyFromUri } from '../keys/key-pair.ts';
import {
  MemoryNonceStore,
  RequestSigner,
  clockOfErrorBody,
  signRequest,
  verifyRequest,
  type ReceivedRequest,
  type RequestVerifier,
} from './requests.ts';
import { SqliteNonceStore } from './sqlite-nonce-store.ts';

const caller = keyFromUri('//Alice');
const self = keyFromUri('//Bob');
const audience = toHex(self.publicKey);
const startMs = 1_790_000_000_000;

function randomness(): (length: number) => Uint8Array {
  let counter = 0;
  return (length) => {
    counter += 1;
    return createHash('sha512').update(String(counter)).digest().subarray(0, length);
  };
}

function recipientAt(nowMs: number): RequestVerifier {
  return { self, now: () => nowMs, nonces: new MemoryNonceStore(() => nowMs) };
}

async function signedAt(nowMs: number): Promise<ReceivedRequest> {
  const request = { method: 'POST', path: '/leases?x=1', body: '{"a":1}', audience };
  const headers = await signRequest(request, caller, { now: () => nowMs, randomBytes: randomness() });
  return { ...request, headers };
}

async function codeOf(request: ReceivedRequest, recipient: RequestVerifier): Promise<string> {
  const verified = await verifyRequest(request, recipient);
  return verified.ok ? `ok ${verified.ss58}` : verified.code;
}

test('a signed request is accepted once', async () => {
  const recipient = recipientAt(startMs);
  const request = await signedAt(startMs);
  expect(await codeOf(request, recipient)).toBe(`ok ${caller.ss58}`);
  expect(await codeOf(request, recipient)).toBe('NONCE_REPLAYED');
});

test('two replays at the same instant: exactly one passes', async () => {
  const recipient = recipientAt(startMs);
  const request = await signedAt(startMs);
  const codes = await Promise.all([1, 2, 3].map(() => codeOf(request, recipient)));
  expect(codes.filter((code) => code.startsWith('ok'))).toHaveLength(1);
});

test('a changed method, path, body, key or expiry is refused', async () => {
  const request = await signedAt(startMs);
  const recipient = recipientAt(startMs);
  const headers = request.headers;
  expect(await codeOf({ ...request, method: 'DELETE' }, recipient)).toBe('SIGNATURE_WRONG');
  expect(await codeOf({ ...request, path: '/leases?x=2' }, recipient)).toBe('SIGNATURE_WRONG');
  expect(await codeOf({ ...request, body: '{"a":2}' }, recipient)).toBe('SIGNATURE_WRONG');
  expect(await codeOf({ ...request, headers: { ...headers, 'x-celium-key': audience } }, recipient)).toBe(
    'SIGNATURE_WRONG',
  );
  expect(
    await codeOf({ ...request, headers: { ...headers, 'x-celium-expires': String(startMs + 1) } }, recipient),
  ).toBe('SIGNATURE_WRONG');
});

test('a request for another recipient is refused', async () => {
  const other = { ...recipientAt(startMs), self: keyFromUri('//Charlie') };
  expect(await codeOf(await signedAt(startMs), other)).toBe('AUDIENCE_WRONG');
});

test('an unsigned or malformed request is refused', async () => {
  const request = await signedAt(startMs);
  const recipient = recipientAt(startMs);
  expect(await codeOf({ ...request, headers: {} }, recipient)).toBe('UNAUTHENTICATED');
  for (const [name, value] of [
    ['x-celium-key', 'zz'],
    ['x-celium-nonce', 'short'],
    ['x-celium-expires', '1e15'],
    ['x-celium-signature', 'ff'],
  ] as const) {
    expect(await codeOf({ ...request, headers: { ...request.headers, [name]: value } }, recipient)).toBe(
      'UNAUTHENTICATED',
    );
  }
});

test('an expired request, and one of the far future, are refused with the signed time', async () => {
  const request = await signedAt(startMs);
  const late = await verifyRequest(request, recipientAt(startMs + 60_000));
  expect(late).toMatchObject({ ok: false, code: 'REQUEST_EXPIRED', clock: { body: { atMs: startMs + 60_000 } } });
  expect(await codeOf(request, recipientAt(startMs - 60_000))).toBe('REQUEST_EXPIRED');
});

test('a caller whose clock is wrong by an hour gets through at its second try, and then at its first', async () => {
  const recipient = recipientAt(startMs);
  const signer = new RequestSigner(caller, { now: () => startMs + 3_600_000, randomBytes: randomness() });
  let attempts = 0;
  const request = { method: 'GET', path: '/', audience };
  const attempt = async (headers: Record<string, string>): Promise<unknown> => {
    attempts += 1;
    const verified = await verifyRequest({ ...request, headers }, recipient);
    if (verified.ok) return { ok: true };
    return errorBody(new CeliumError(verified.code, verified.message, { details: { clock: verified.clock } }));
  };
  expect(await signer.call(request, attempt, clockOfErrorBody)).toEqual({ ok: true });
  expect(attempts).toBe(2);
  expect(await signer.call(request, attempt, clockOfErrorBody)).toEqual({ ok: true });
  expect(attempts).toBe(3);
});

test('a time that the recipient did not sign for this request is not believed', async () => {
  const signer = new RequestSigner(caller, { now: () => startMs + 3_600_000, randomBytes: randomness() });
  const request = { method: 'GET', path: '/', audience };
  const headers = await signer.sign(request);
  const refused = await verifyRequest({ ...request, headers }, recipientAt(startMs));
  const clock = refused.ok ? undefined : refused.clock;
  expect(signer.adopt(audience, { ...headers, 'x-celium-nonce': 'another-nonce-entirely' }, clock)).toBe(false);
  expect(signer.adopt(toHex(caller.publicKey), headers, clock)).toBe(false);
  expect(signer.adopt(audience, headers, { ...clock, body: { ...clock?.body, atMs: 1 } })).toBe(false);
  expect(signer.adopt(audience, headers, null)).toBe(false);
  expect(signer.adopt(audience, headers, clock)).toBe(true);
});

test('a nonce is refused after a restart, forgotten ten minutes after its expiry, and never evicted early', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'celium-nonces-'));
  try {
    let nowMs = startMs;
    const options = { now: () => nowMs, maxNonces: 2 };
    const first = new SqliteNonceStore(join(folder, 'nonces.sqlite'), options);
    expect(await first.claim('a', startMs + 1_000)).toBe(true);
    first.close();
    const second = new SqliteNonceStore(join(folder, 'nonces.sqlite'), options);
    expect(await second.claim('a', startMs + 1_000)).toBe(false);
    expect(await second.claim('b', startMs + 1_000)).toBe(true);
    await expect(second.claim('c', startMs + 1_000)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    nowMs = startMs + 1_000 + 600_001;
    expect(await second.claim('a', nowMs + 1_000)).toBe(true);
    second.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
