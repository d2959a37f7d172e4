/** Documents and frames as they travel: every kind has an example, unknown fields survive, what is malformed does not get in. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentFrame, marketFrame } from '../agent-messages.ts';
import { canonicalJson } from '../signing.ts';
import { DECOY_ENTRIES, decoyCommitment, decoyDisclosure } from './decoy.ts';
import { DOCUMENTS, envelope, signedSchema, type DocumentName } from './envelope.ts';
import { logEntry } from './log-head.ts';

const golden = join(import.meta.dirname, '../../golden');
const read = (file: string): unknown => JSON.parse(readFileSync(join(golden, file), 'utf8'));
const namesIn = (folder: string): string[] =>
  readdirSync(join(golden, folder)).map((file) => file.replace(/\.json$/, ''));

/** Golden documents: file name without `.json`, and kind (before the first dot). */
const documents = namesIn('documents')
  .filter((name) => name !== 'log-entry')
  .map((name) => [name, name.split('.')[0] as DocumentName] as const);

/** The same value with a field that nobody knows in every object. */
function withUnknownFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withUnknownFields);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [
    name,
    name === 'env' ? member : withUnknownFields(member),
  ]);
  return { ...Object.fromEntries(members), zFuture: { deep: [1, 'two'] } };
}

describe('a document of every kind', () => {
  test('has an example', () => {
    expect(new Set(documents.map(([, kind]) => kind))).toEqual(new Set(Object.keys(DOCUMENTS)));
  });

  test.each(documents)(
    '%s is read without losing or adding anything, so that its signature still fits',
    (name, kind) => {
      const document = read(`documents/${name}.json`);
      expect(signedSchema(kind).parse(document)).toEqual(document);
      expect(envelope.parse(document)).toEqual(document);
    },
  );

  test.each(documents)(
    '%s keeps fields that this version does not know, at every depth, and passes them on',
    (name, kind) => {
      const document = withUnknownFields(read(`documents/${name}.json`));
      expect(signedSchema(kind).parse(document)).toEqual(document);
    },
  );

  test.each(documents)('%s of an unknown major version is refused', (name, kind) => {
    const document = read(`documents/${name}.json`) as object;
    expect(signedSchema(kind).safeParse({ ...document, version: 2 }).success).toBe(false);
  });

  test.each(documents)('%s is smaller than its kind may be', (name, kind) => {
    const { body } = envelope.parse(read(`documents/${name}.json`));
    expect(Buffer.byteLength(canonicalJson(body))).toBeLessThanOrEqual(DOCUMENTS[kind].maxBytes);
  });

  test.each(documents)('%s lacks nothing that could be left out', (name, kind) => {
    const document = envelope.parse(read(`documents/${name}.json`));
    const optional = ['busyWith', 'proof', 'pair'];
    for (const field of Object.keys(document.body).filter((field) => !optional.includes(field))) {
      const { [field]: _left, ...body } = document.body;
      expect({ field, ok: signedSchema(kind).safeParse({ ...document, body }).success }).toEqual({ field, ok: false });
    }
  });
});

test('a receipt has at most 2 kB, its longest words and figures included', () => {
  expect(DOCUMENTS.receipt.maxBytes).toBe(2_048);
  const { body } = signedSchema('receipt').parse(read('documents/receipt.fail.json'));
  const longest = { ...body, barrierId: 'b'.repeat(64), reason: { code: 'c'.repeat(24), message: 'm'.repeat(240) } };
  expect(Buffer.byteLength(canonicalJson(longest))).toBeLessThanOrEqual(2_048);
});

test('a machine receipt has at most 2 kB, its longest words and figures included', () => {
  expect(DOCUMENTS['machine-receipt'].maxBytes).toBe(2_048);
  const { body } = signedSchema('machine-receipt').parse(read('documents/machine-receipt.fail.json'));
  const longest = { ...body, machineId: 'm'.repeat(64) };
  expect(Buffer.byteLength(canonicalJson(longest))).toBeLessThanOrEqual(2_048);
});

test('an entry of a log is read without losing anything', () => {
  const entry = withUnknownFields(read('documents/log-entry.json'));
  expect(logEntry.parse(entry)).toEqual(entry);
});

test.each([
  [DECOY_ENTRIES.commitment, decoyCommitment],
  [DECOY_ENTRIES.disclosure, decoyDisclosure],
])('the body of a %s in a log is read without losing anything', (kind, schema) => {
  const body = read(`log-entries/${kind}.json`);
  expect(schema.parse(body)).toEqual(body);
  expect(schema.parse(withUnknownFields(body))).toEqual(withUnknownFields(body));
  for (const field of Object.keys(body as object)) {
    const { [field]: _left, ...less } = body as Record<string, unknown>;
    expect({ field, ok: schema.safeParse(less).success }).toEqual({ field, ok: false });
  }
});

describe('a frame of every kind between agent and market', () => {
  const frames = [
    ['agent', agentFrame],
    ['market', marketFrame],
  ] as const;

  test.each(frames)('%s: has an example', (sender, schema) => {
    const kinds = schema.options.map((option) => option.shape.type.value);
    expect(new Set(namesIn(`frames/${sender}`))).toEqual(new Set(kinds));
  });

  test.each(
    frames.flatMap(([sender, schema]) => namesIn(`frames/${sender}`).map((kind) => [sender, kind, schema] as const)),
  )('%s/%s is read without losing anything, known or not', (sender, kind, schema) => {
    const frame = read(`frames/${sender}/${kind}.json`);
    expect(frame).toMatchObject({ type: kind });
    expect(schema.parse(frame)).toEqual(frame);
    expect(schema.parse(withUnknownFields(frame))).toEqual(withUnknownFields(frame));
  });

  test.each(frames)('%s: of an unknown kind is refused', (_sender, schema) => {
    expect(schema.safeParse({ type: 'no-such-frame' }).success).toBe(false);
  });
});

describe('a manifest', () => {
  type Machine = { machineId: string; machineKey: string; units: string[]; portRange: { from: number; to: number } };
  const manifest = read('documents/manifest.json') as { body: { machines: [Machine, Machine] } };
  const faultOf = (machines: Machine[]): string | undefined =>
    signedSchema('manifest').safeParse({ ...manifest, body: { ...manifest.body, machines } }).error?.issues[0]?.message;
  const [gpu, cpu] = manifest.body.machines;

  test('may list no machine at all: that is how a provider leaves', () => {
    expect(faultOf([])).toBeUndefined();
  });

  test.each([
    [
      'a machine',
      [gpu, { ...gpu, machineKey: 'a'.repeat(64), units: ['GPU-12345678'] }],
      /machine rack-1 is listed twice/,
    ],
    [
      'a machine key',
      [gpu, { ...gpu, machineId: 'rack-2', units: ['GPU-12345678'] }],
      /machine key .* is listed twice/,
    ],
    [
      'a GPU on two machines',
      [gpu, { ...gpu, machineId: 'rack-2', machineKey: 'a'.repeat(64) }],
      /unit GPU-.* is listed twice/,
    ],
    ['a GPU on one machine', [{ ...gpu, units: ['GPU-12345678', 'GPU-12345678'] }], /is listed twice/],
  ])('lists %s once', (_what, machines, fault) => {
    expect(faultOf(machines)).toMatch(fault);
  });

  test.each([
    ['beside a GPU', [{ ...gpu, units: [...gpu.units, 'cpu:rack-1'] }]],
    ['of another machine', [{ ...cpu, units: ['cpu:other'] }]],
  ])('has no CPU unit %s', (_what, machines) => {
    expect(faultOf(machines)).toMatch(/is not the one unit of/);
  });

  test('writes GPU ids in lower case only, so that one GPU has one name', () => {
    expect(faultOf([{ ...gpu, units: ['GPU-ABCDEF01'] }])).toMatch(/in lower case/);
  });

  test('has port ranges that go upwards', () => {
    expect(faultOf([{ ...gpu, portRange: { from: 2, to: 1 } }])).toMatch(/from its lower to its upper port/);
  });
});
