/** Lines and frames: what survives a terminal, and that no input of a stranger breaks the readers. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBase64, fromHex, toBase64, toHex } from './bytes.ts';
import {
  DEVICES,
  encodeProverFrame,
  encodeValidatorFrame,
  parseProverFrame,
  parseValidatorFrame,
  PROVER_ERRORS,
  type ProverFrame,
  type ValidatorFrame,
} from './frames.ts';
import { encodeLine, LINE_PREFIX, lineReader, MAX_FRAME_BYTES, MAX_LINE_BYTES } from './lines.ts';
import { proofParams } from './params.ts';

const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const proverFrames: fc.Arbitrary<ProverFrame> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), version: fc.nat(255), device: fc.constantFrom(...DEVICES) }),
  fc.record({ type: fc.constant('pong' as const), token: bytes(8) }),
  fc.record({ type: fc.constant('filled' as const) }),
  fc.record({ type: fc.constant('root' as const), step: u16, root: bytes(32) }),
  fc.record({
    type: fc.constant('opening' as const),
    step: u16,
    index: u32,
    digests: bytes(64),
    path: fc.nat(32).chain((hashes) => bytes(hashes * 32)),
  }),
  fc.record({ type: fc.constantFrom('shared' as const, 'paired' as const) }),
  fc.record({ type: fc.constant('error' as const), error: fc.constantFrom(...PROVER_ERRORS) }),
);

const sizes = (['micro', 'cpu-demo', 'gpu'] as const).map((sizeClass) => {
  const {
    memoryLeaves,
    fillIterations,
    productSize,
    productDepth,
    segmentBytes,
    walkers,
    hopsPerWalk,
    pattern,
    rounds,
  } = proofParams(sizeClass, 'onboarding');
  return {
    memoryLeaves,
    fillIterations,
    productSize,
    productDepth,
    segmentBytes,
    walkers,
    hopsPerWalk,
    pattern,
    rounds,
  };
});

const validatorFrames: fc.Arbitrary<ValidatorFrame> = fc.oneof(
  fc.record({ type: fc.constant('challenge' as const), seed: bytes(32), sizes: fc.constantFrom(...sizes) }),
  fc.record({ type: fc.constant('ping' as const), token: bytes(8) }),
  fc.record({ type: fc.constant('start' as const), nonce: bytes(32) }),
  fc.record({
    type: fc.constant('open' as const),
    samples: fc.array(fc.record({ step: u16, index: u32 }), { minLength: 1, maxLength: 256 }),
  }),
  fc.record({ type: fc.constant('share' as const), token: bytes(16) }),
  fc.record({
    type: fc.constant('pair' as const),
    token: bytes(16),
    peerSeed: bytes(32),
    peerLeaves: u32,
    answers: u32,
    steps: u16,
  }),
  fc.record({ type: fc.constant('end' as const) }),
);

test('every frame is read back as it was written', () => {
  fc.assert(
    fc.property(proverFrames, (frame) => {
      expect(parseProverFrame(encodeProverFrame(frame))).toEqual(frame);
    }),
  );
  fc.assert(
    fc.property(validatorFrames, (frame) => {
      expect(parseValidatorFrame(encodeValidatorFrame(frame))).toEqual(frame);
    }),
  );
});

test('a frame of another length or kind is none, and no bytes make the parsers throw', () => {
  fc.assert(
    fc.property(proverFrames, (frame) => {
      const encoded = encodeProverFrame(frame);
      expect(parseProverFrame(encoded.subarray(0, -1))).toBeNull();
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4000 }), (input) => {
      parseProverFrame(input);
      parseValidatorFrame(input);
    }),
  );
  expect(parseProverFrame(new Uint8Array(0))).toBeNull();
  expect(parseProverFrame(Uint8Array.of(0x01))).toBeNull();
});

test('the longest frame fits into one line of a terminal', () => {
  const line = encodeLine('prover', new Uint8Array(MAX_FRAME_BYTES));
  expect(line.length).toBeLessThanOrEqual(MAX_LINE_BYTES + 1);
  expect(line.length).toBeLessThan(4096);
  expect(() => encodeLine('prover', new Uint8Array(MAX_FRAME_BYTES + 1))).toThrow(RangeError);
});

test('frames come out of a terminal stream however it is cut, with echo, escapes and carriage returns between them', () => {
  const frame = fc.uint8Array({ minLength: 1, maxLength: 500 });
  const noise = fc.constantFrom('', '$ ', '\u001b[?2004h', 'motd\r\n', `${LINE_PREFIX.validator}AAAA\r\n`, '\r\n\r\n');
  fc.assert(
    fc.property(fc.array(fc.tuple(noise, frame)), fc.integer({ min: 1, max: 64 }), (parts, cut) => {
      const text = parts.map(([before, sent]) => before + encodeLine('prover', sent).replace('\n', '\r\n')).join('');
      const stream = new TextEncoder().encode(text);
      const read = lineReader('prover');
      const seen: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += cut) {
        for (const event of read(stream.subarray(at, at + cut))) if (event.kind === 'frame') seen.push(event.frame);
      }
      expect(seen.map(toHex)).toEqual(parts.map(([, sent]) => toHex(sent)));
    }),
  );
});

test('a line over the limit is dropped, and what follows is read again', () => {
  const read = lineReader('prover');
  const encoder = new TextEncoder();
  expect(read(encoder.encode(`${'x'.repeat(100_000)}\n`))).toEqual([]);
  expect(read(encoder.encode(`:cgp1p:${'A'.repeat(100_000)}\n`))).toEqual([{ kind: 'broken' }]);
  expect(read(encoder.encode(encodeLine('prover', Uint8Array.of(1, 2))))).toEqual([
    { kind: 'frame', frame: Uint8Array.of(1, 2) },
  ]);
});

test('base64 and hex are strict and their own inverse', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (input) => {
      expect(fromBase64(toBase64(input))).toEqual(input);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array(), (input) => {
      expect(fromHex(toHex(input))).toEqual(input);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array(), (input) => {
      expect(toBase64(input)).toBe(Buffer.from(input).toString('base64'));
    }),
  );
  for (const text of ['A', 'AA', 'AAA', 'A===', 'AB==', 'AAB=', 'AA==AAAA', 'AA-_', 'ää==', '\u0000AAA']) {
    expect(fromBase64(text)).toBeNull();
  }
  for (const text of ['0', 'AB', 'zz', ' 0']) expect(fromHex(text)).toBeNull();
});
