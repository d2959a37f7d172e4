/** The golden documents are what the code signs today, and every signature in them is right. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyFromUri, MemoryNonceStore, verifyDocument, verifyRequest, type HeaderBag } from '@celium/chain';
import { DOCUMENTS, type DocumentName } from '@celium/contract';
import { describe, expect, test } from 'vitest';
import { goldenExamples, goldenFolder } from './golden-documents.ts';

const examples = await goldenExamples();
const read = (name: string): unknown => JSON.parse(readFileSync(join(goldenFolder, `${name}.json`), 'utf8'));
const written = readdirSync(goldenFolder, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace(/\.json$/, ''));

test('each file has its example and each example its file', () => {
  expect(written.toSorted()).toEqual(Object.keys(examples).toSorted());
});

test.each(Object.keys(examples))(
  '%s is byte for byte what is signed today (else: node tools/golden-documents.ts)',
  (name) => {
    expect(read(name)).toEqual(JSON.parse(JSON.stringify(examples[name])));
  },
);

describe('a golden document', () => {
  const documents = written
    .map((name) => [name, name.split(/[/.]/)[1] as DocumentName] as const)
    .filter(([name, kind]) => name.startsWith('documents/') && kind in DOCUMENTS);

  test.each(documents)('%s verifies', (name, kind) => {
    expect(verifyDocument(kind, read(name))).toMatchObject({ ok: true });
  });

  test.each(documents)('%s no longer verifies once a field is added to it', (name, kind) => {
    const document = read(name) as { body: object };
    const changed = { ...document, body: { ...document.body, later: 1 } };
    expect(verifyDocument(kind, changed)).toMatchObject({ ok: false, code: 'SIGNATURE_WRONG' });
  });

  test.each(documents)('%s of a later major version is refused with what to do about it', (name, kind) => {
    const later = { ...(read(name) as object), version: 2 };
    expect(verifyDocument(kind, later)).toMatchObject({
      ok: false,
      code: 'DOCUMENT_UNKNOWN',
      message: expect.stringMatching(/update/i),
    });
  });
});

test('the golden signed request is accepted once, by its recipient, in its minute', async () => {
  const { request, headers } = read('signed-request') as {
    request: { method: string; path: string; body: string };
    headers: HeaderBag;
  };
  const now = (): number => 1_790_000_000_000;
  const self = keyFromUri('//Dave');
  const recipient = { self, now, nonces: new MemoryNonceStore(now) };
  expect(await verifyRequest({ ...request, headers }, recipient)).toMatchObject({
    ok: true,
    ss58: keyFromUri('//Bob').ss58,
  });
  expect(await verifyRequest({ ...request, headers }, recipient)).toMatchObject({ ok: false, code: 'NONCE_REPLAYED' });
  const other = { ...recipient, self: keyFromUri('//Eve') };
  expect(await verifyRequest({ ...request, headers }, other)).toMatchObject({ ok: false, code: 'AUDIENCE_WRONG' });
});
