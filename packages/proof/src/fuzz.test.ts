/** Ten thousand broken transcripts: none is accepted, none makes anything throw, and none costs a recomputation. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { challenge } from '../tests/fixtures.ts';
import { auditTranscript, type KernelFactory } from './audit.ts';
import { checkClaim } from './claim.ts';
import type { ProofClaim, ProofTranscript } from './contracts.ts';
import { encodeTranscript, parseTranscript } from './transcript.ts';
import { wasmKernels } from './wasm-kernels.ts';

const RUNS = 10_000;
/** A guard against hanging, not a measure: the runs take some seconds of CPU. */
const PATIENCE_MS = 180_000;

type Json = Record<string, unknown>;

/** What may stand in the place of any value. */
const strangeValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, '', 0, -1, 0.5, 1e308, -1e308, 2 ** 53, 2 ** 53 - 1, 2 ** 32, [], {}, [[]]),
  fc.constantFrom(
    'cgp1/transcript/2',
    'gpu',
    'cpu-demo',
    'onboarding',
    '\u0000',
    '\ud800',
    '\u001b[2J',
    'ff'.repeat(2_000),
  ),
  fc.nat(0xffff_ffff),
  fc.double(),
  fc.constantFrom('0', 'a', 'f').map((digit) => digit.repeat(64)),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  fc.integer({ min: 1, max: 300 }).map(nested),
);

/** JSON text in place of a value: what `JSON.stringify` cannot write. */
const strangeText = fc.constantFrom(
  '1e999',
  '-1e999',
  '9'.repeat(400),
  `${'['.repeat(2_000)}${']'.repeat(2_000)}`,
  '{"__proto__":{"ok":true}}',
  '{"constructor":{"prototype":{}}}',
  'NaN',
  '"\\ud800"',
);

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

/** A place in a tree of JSON: the object that holds it and its name there. */
function placeIn(root: Json, choices: readonly number[]): { holder: Json; name: string } {
  let place = { holder: { root } as Json, name: 'root' };
  for (const choice of choices) {
    const value = place.holder[place.name];
    if (typeof value !== 'object' || value === null) break;
    const names = Object.keys(value);
    if (names.length === 0) break;
    place = { holder: value as Json, name: names[choice % names.length]! };
  }
  return place;
}

interface Mutation {
  kind: 'set' | 'delete' | 'rename' | 'repeat' | 'swap' | 'bit' | 'text' | 'cut' | 'splice';
  at: number[];
  other: number[];
  value: unknown;
  text: string;
  name: string;
  number: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom(
    'set',
    'delete',
    'rename',
    'repeat',
    'swap',
    'bit',
    'bit',
    'bit',
    'text',
    'cut',
    'splice',
    'splice',
  ),
  at: fc.array(fc.nat(10_000), { minLength: 1, maxLength: 3 }),
  other: fc.array(fc.nat(10_000), { minLength: 1, maxLength: 3 }),
  value: strangeValue,
  text: strangeText,
  name: fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', 'nonce', 'roots', 'extra', ''),
  number: fc.nat(0xffff_ffff),
});

/** The text of a broken copy of `honest`; `other` is a second honest transcript to take parts from. */
function broken(honest: ProofTranscript, other: ProofTranscript, mutations: readonly Mutation[]): string {
  const copy = structuredClone(honest) as unknown as Json;
  let replace: string | null = null;
  let cut: number | null = null;
  for (const { kind, at, other: elsewhere, value, text, name, number } of mutations) {
    const place = placeIn(copy, at);
    const current = place.holder[place.name];
    if (place.holder['root'] === copy) continue;
    if (kind === 'set') place.holder[place.name] = value;
    else if (kind === 'delete') {
      if (Array.isArray(place.holder)) place.holder.splice(Number(place.name), 1);
      else delete place.holder[place.name];
    } else if (kind === 'rename' || kind === 'repeat') {
      Object.defineProperty(place.holder, name, {
        value: current,
        enumerable: true,
        configurable: true,
        writable: true,
      });
      if (kind === 'rename' && !Array.isArray(place.holder)) delete place.holder[place.name];
    } else if (kind === 'swap') {
      const second = placeIn(copy, elsewhere);
      if (second.holder['root'] === copy) continue;
      place.holder[place.name] = second.holder[second.name];
      second.holder[second.name] = current;
    } else if (kind === 'bit') place.holder[place.name] = flipped(current, number);
    else if (kind === 'splice') {
      const foreign = placeIn(other as unknown as Json, at);
      place.holder[place.name] = structuredClone(foreign.holder[foreign.name]);
    } else if (kind === 'text') {
      place.holder[place.name] = '@here';
      replace = text;
    } else cut = number;
  }
  let out = JSON.stringify(copy, (_, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? 0 : value,
  );
  if (replace !== null) out = out.replace('"@here"', replace);
  return cut === null ? out : out.slice(0, cut % out.length);
}

/** Another hex digit somewhere in a text, another bit in a number. */
function flipped(value: unknown, number: number): unknown {
  if (typeof value === 'number') return value ^ (1 << (number % 20));
  if (typeof value !== 'string' || value === '') return value;
  const at = number % value.length;
  const digit = '0123456789abcdef'[(Number.parseInt(value[at]!, 16) ^ (1 + (number % 15))) & 15] ?? 'x';
  return value.slice(0, at) + digit + value.slice(at + 1);
}

async function honestPair() {
  const [first, second] = await Promise.all([
    challenge({}, { purpose: 'routine', random: 1 }),
    challenge({}, { purpose: 'routine', random: 2 }),
  ]);
  return { first, second };
}

test(
  '10,000 broken and spliced transcripts: each is refused with a known reason before anything is recomputed',
  { timeout: PATIENCE_MS },
  async () => {
    const { first, second } = await honestPair();
    const text = encodeTranscript(first.result.transcript);
    let recomputed = 0;
    const counting: KernelFactory = (params, seed) => {
      recomputed += 1;
      return wasmKernels(params, seed);
    };
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        const input = broken(first.result.transcript, second.result.transcript, mutations);
        const parsed = parseTranscript(input);
        if (parsed.ok && encodeTranscript(parsed.transcript) === text) return;
        const check = parsed.ok ? checkClaim(first.claim, parsed.transcript, counting) : null;
        expect(check?.ok ?? false).toBe(false);
        const refusal = parsed.ok ? check?.audit.failure : parsed.failure;
        expect(refusal?.detail).toMatch(/^[\x20-\x7e]{1,240}$/);
        const code = refusal?.code ?? 'none';
        seen.set(code, (seen.get(code) ?? 0) + 1);
      }),
      { numRuns: RUNS, seed: 20_261_125 },
    );
    expect(recomputed).toBe(0);
    // The mutations reach every layer: form, parameters, completeness, paths.
    expect([...seen.keys()].sort()).toEqual(['bad-path', 'incomplete-transcript', 'malformed', 'wrong-parameters']);
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('ok');
  },
);

test('a splice of two transcripts at any field, root or opening is refused, each way round', async () => {
  const { first, second } = await honestPair();
  const [a, b] = [first.result.transcript, second.result.transcript];
  const parts: ((from: ProofTranscript, into: ProofTranscript) => void)[] = [
    (from, into) => void (into.nonce = from.nonce),
    (from, into) => void (into.startNonce = from.startNonce),
    (from, into) => void (into.auditNonce = from.auditNonce),
    (from, into) => void (into.roots = from.roots),
    (from, into) => void (into.openings = from.openings),
    (from, into) => void Object.assign(into, { startNonce: from.startNonce, roots: from.roots }),
    (from, into) => void Object.assign(into, { auditNonce: from.auditNonce, openings: from.openings }),
    (from, into) =>
      void Object.assign(into, {
        startNonce: from.startNonce,
        auditNonce: from.auditNonce,
        roots: from.roots,
        openings: from.openings,
      }),
    ...a.roots.map((_, i) => (from: ProofTranscript, into: ProofTranscript) => void (into.roots[i] = from.roots[i]!)),
    ...a.openings.map(
      (_, i) => (from: ProofTranscript, into: ProofTranscript) => void (into.openings[i] = from.openings[i]!),
    ),
  ];
  for (const splice of parts) {
    for (const [from, into] of [
      [a, b],
      [b, a],
    ] as const) {
      const spliced = structuredClone(into);
      splice(from, spliced);
      expect(auditTranscript(spliced).ok).toBe(false);
    }
  }
});

test('claims of strangers, whatever is in them, are refused and never make the check throw', async () => {
  const { first } = await honestPair();
  const { claim, result } = first;
  // The audit itself is not what is tried here: an empty transcript is refused at once, and a claim about it cannot pass.
  const bare: ProofTranscript = { ...result.transcript, roots: [], openings: [] };
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      const text = broken(claim as unknown as ProofTranscript, claim as unknown as ProofTranscript, mutations);
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        return;
      }
      expect(checkClaim(value as ProofClaim, bare).ok).toBe(false);
    }),
    { numRuns: 2_000, seed: 20_261_125 },
  );
  fc.assert(
    fc.property(fc.anything(), (value) => {
      expect(checkClaim(value as ProofClaim, bare).ok).toBe(false);
    }),
  );
});

test('the longest transcript that is read is refused within its own size, however it is filled', () => {
  const binding = Object.fromEntries(
    ['blockHash', 'hotkey', 'machineKey', 'grantHash', 'hostKeyHash'].map((name) => [name, '00'.repeat(32)]),
  );
  const opening = { step: 2 ** 53 - 1, index: 2 ** 53 - 1, digests: '', path: '' };
  const params = { version: 'cgp1/params/1', sizeClass: 'gpu', purpose: 'onboarding', memoryBytes: 134_000_000_000 };
  const filled = {
    version: 'cgp1/transcript/1',
    params,
    binding: { ...binding, unit: 'u'.repeat(128), barrierId: '' },
    nonce: '11'.repeat(32),
    startNonce: '22'.repeat(32),
    auditNonce: '33'.repeat(32),
    roots: Array.from({ length: 50_000 }, (_, i) => createHash('sha256').update(String(i)).digest('hex')),
    openings: Array.from({ length: 4_096 }, () => opening),
  };
  const parsed = parseTranscript(JSON.stringify(filled));
  expect(parsed.ok).toBe(true);
  if (parsed.ok)
    expect(auditTranscript(parsed.transcript).failure?.code).toMatch(/incomplete-transcript|wrong-parameters/);
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  expect(parseTranscript(deep).ok).toBe(false);
  expect(parseTranscript(' '.repeat(4_000_001)).ok).toBe(false);
});
