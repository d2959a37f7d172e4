/** Frames from strangers: whatever arrives is read or refused, quickly, and never makes the reader fail. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { agentFrame, marketFrame, MAX_FRAME_BYTES } from './agent-messages.ts';
import { DOCUMENTS, signedSchema } from './documents/envelope.ts';
import { canonicalJson } from './signing.ts';

const golden = join(import.meta.dirname, '../golden');
const read = (file: string): unknown => JSON.parse(readFileSync(join(golden, file), 'utf8'));
const frames = ['agent', 'market'].flatMap((sender) =>
  readdirSync(join(golden, 'frames', sender)).map((file) => read(join('frames', sender, file))),
);

/** Every place in a value, as a path of names and indices. */
function placesIn(value: unknown, path: Array<string | number> = []): Array<Array<string | number>> {
  if (typeof value !== 'object' || value === null) return [path];
  const inside = Array.isArray(value) ? value.map((item, index) => [index, item] as const) : Object.entries(value);
  return [path, ...inside.flatMap(([name, member]) => placesIn(member, [...path, name]))];
}

/** The same value with something else at one place. */
function replaced(value: unknown, path: ReadonlyArray<string | number>, by: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return by;
  const copy = structuredClone(value) as Record<string | number, unknown>;
  copy[name] = replaced(copy[name], rest, by);
  return copy;
}

test('any JSON at all is a frame or is refused', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(typeof agentFrame.safeParse(value).success).toBe('boolean');
      expect(typeof marketFrame.safeParse(value).success).toBe('boolean');
    }),
  );
});

test('a frame with anything in place of one of its values is a frame or is refused; what is read is what was sent', () => {
  const damaged = fc
    .constantFrom(...frames)
    .chain((frame) => fc.tuple(fc.constant(frame), fc.constantFrom(...placesIn(frame)), fc.jsonValue()))
    .map(([frame, place, by]) => replaced(frame, place, by));
  fc.assert(
    fc.property(damaged, (frame) => {
      for (const schema of [agentFrame, marketFrame]) {
        const parsed = schema.safeParse(frame);
        if (parsed.success) expect(parsed.data).toEqual(frame);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a manifest of a thousand machines fits into its document, and its document into a frame', () => {
  const document = read('documents/manifest.json') as { body: { machines: Array<Record<string, unknown>> } };
  const [machine] = document.body.machines;
  const machines = Array.from({ length: 1_000 }, (_, index) => ({
    ...machine,
    machineId: `machine-${index}`,
    machineKey: index.toString(16).padStart(64, '0'),
    units: [`GPU-${index.toString(16).padStart(36, '0')}`],
  }));
  const manifest = { ...document, body: { ...document.body, machines } };
  expect(Buffer.byteLength(canonicalJson(manifest.body))).toBeLessThanOrEqual(DOCUMENTS.manifest.maxBytes);
  expect(signedSchema('manifest').safeParse(manifest).success).toBe(true);
  const more = {
    ...manifest,
    body: { ...manifest.body, machines: [...machines, { ...machine, machineId: 'one-more' }] },
  };
  expect(signedSchema('manifest').safeParse(more).success).toBe(false);
  expect(DOCUMENTS.manifest.maxBytes).toBeLessThan(MAX_FRAME_BYTES);
});
