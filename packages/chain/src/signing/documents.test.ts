/** A document is believed only when kind, version, form and signature are all right. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyFromUri } from '../keys/key-pair.ts';
import { toHex } from '../keys/bytes.ts';
import { documentHash, signDocument, signEnvelope, verifyDocument, verifyEnvelope } from './documents.ts';

const alice = keyFromUri('//Alice');
const head = { height: 3, hash: 'ab'.repeat(32), atMs: 1_790_000_000_000 };

test('a signed document verifies after a trip over the wire', async () => {
  const signed = await signDocument('log-head', head, alice);
  const received: unknown = JSON.parse(JSON.stringify(signed));
  const verified = verifyDocument('log-head', received, { signer: toHex(alice.publicKey) });
  expect(verified).toMatchObject({ ok: true, body: head, ss58: alice.ss58 });
});

test('a field that this version does not know is kept and stays signed', async () => {
  const signed = await signDocument('log-head', { ...head, later: { deep: [1, 'two'] } } as typeof head, alice);
  const received: unknown = JSON.parse(JSON.stringify(signed));
  const verified = verifyDocument('log-head', received);
  expect(verified.ok && verified.signed.body).toMatchObject({ later: { deep: [1, 'two'] } });
  const stripped = { ...signed, body: head };
  expect(verifyDocument('log-head', stripped)).toMatchObject({ ok: false, code: 'SIGNATURE_WRONG' });
});

test('what stands beside the signed parts of a document is not passed on', async () => {
  const signed = await signDocument('log-head', head, alice);
  const verified = verifyDocument('log-head', { ...signed, padding: 'x'.repeat(1_000_000) });
  expect(verified.ok && verified.signed).toEqual(signed);
});

test('a changed body, signer, kind or version is refused with its own code', async () => {
  const signed = await signDocument('log-head', head, alice);
  const bob = toHex(keyFromUri('//Bob').publicKey);
  const code = (value: unknown, expected = {}) => {
    const verified = verifyDocument('log-head', value, expected);
    return verified.ok ? 'ok' : verified.code;
  };
  expect(code({ ...signed, body: { ...head, height: 4 } })).toBe('SIGNATURE_WRONG');
  expect(code({ ...signed, signer: bob })).toBe('SIGNATURE_WRONG');
  expect(code({ ...signed, document: 'grant' })).toBe('DOCUMENT_UNKNOWN');
  expect(code({ ...signed, version: 2 })).toBe('DOCUMENT_UNKNOWN');
  expect(code({ ...signed, body: { ...head, height: 'x' } })).toBe('BAD_REQUEST');
  expect(code({ ...signed, body: { ...head, padding: 'x'.repeat(5_000) } })).toBe('BAD_REQUEST');
  expect(code(signed, { signer: bob })).toBe('KEY_NOT_DELEGATED');
});

test('a signature for one kind of document is worth nothing for another', async () => {
  const signed = await signEnvelope('receipt', 1, head, alice);
  expect(verifyEnvelope(signed)).toBe(true);
  expect(verifyEnvelope({ ...signed, document: 'log-head' })).toBe(false);
});

test('nothing malformed is ever signed', async () => {
  await expect(signDocument('log-head', { ...head, height: -1 }, alice)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
});

test('garbage is refused without an exception', () => {
  fc.assert(fc.property(fc.anything(), (value) => !verifyDocument('log-head', value).ok));
  let deep: unknown = 0;
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  const shape = { document: 'log-head', version: 1, signer: 'a'.repeat(64), signature: 'b'.repeat(128) };
  expect(verifyDocument('log-head', { ...shape, body: { deep } })).toMatchObject({ ok: false, code: 'BAD_REQUEST' });
  expect(verifyDocument('log-head', { ...shape, body: { n: Number.NaN } }).ok).toBe(false);
});

test('two bodies have the same hash only when they say the same', () => {
  const a = { document: 'log-head', version: 1, body: { x: 1, y: 2 } };
  expect(documentHash(a)).toBe(documentHash({ ...a, body: { y: 2, x: 1 } }));
  expect(documentHash(a)).not.toBe(documentHash({ ...a, body: { x: 1, y: 3 } }));
});
