/** What machine checks are made of: blocks that WASM and plain JavaScript agree on, frames that survive strangers, requests that need the secret. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../bytes.ts';
import { encodeLine, lineReader, MAX_FRAME_BYTES } from '../lines.ts';
import { createBlockMaker, DISK_BLOCK_BYTES, diskHopDigest, nextDiskBlock, plainDiskBlock } from './disk-blocks.ts';
import {
  encodeMachineFrame,
  FILE_BYTES_PER_FRAME,
  parseMachineAnswer,
  parseMachineAsk,
  type MachineAnswer,
  type MachineAsk,
} from './frames.ts';
import { encodeResponderRequest, parseResponderRequest, RESPONDER_KINDS, responderAnswer } from './responder.ts';

const golden = JSON.parse(readFileSync(new URL('../../golden/machine.json', import.meta.url), 'utf8')) as {
  blocks: Array<{ key: string; number: number; passes: number; sha256: string }>;
  walk: { nonce: string; blocks: number; passes: number; key: string; order: number[]; digests: string[] };
  responder: { secret: string; port: number; nonce: string; bytes: number; request: string; answer: string };
};
const hex = (text: string): Uint8Array => fromHex(text) ?? new Uint8Array();
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('disk blocks', () => {
  const make = createBlockMaker();

  test('are the same in WASM and in plain JavaScript, whichever four are made together', () => {
    fc.assert(
      fc.property(
        bytes32,
        fc.array(fc.nat(2 ** 31 - 1), { minLength: 4, maxLength: 4 }),
        fc.nat(3),
        fc.nat(3),
        (key, numbers, passes, lane) => {
          const made = make(key, numbers, passes).subarray(lane * DISK_BLOCK_BYTES, (lane + 1) * DISK_BLOCK_BYTES);
          expect(Buffer.compare(made, plainDiskBlock(key, numbers[lane] as number, passes))).toBe(0);
        },
      ),
      { numRuns: 20 },
    );
  });

  test('are those of the golden file', () => {
    for (const { key, number, passes, sha256 } of golden.blocks) {
      const block = make(hex(key), [number], passes).subarray(0, DISK_BLOCK_BYTES);
      expect(createHash('sha256').update(block).digest('hex')).toBe(sha256);
    }
  });

  test('of other numbers, keys or passes have nothing in common', () => {
    const key = new Uint8Array(32);
    const seen = new Set<string>();
    for (const [number, passes] of [
      [0, 1],
      [1, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      const block = make(key, [number], passes);
      for (let at = 0; at < DISK_BLOCK_BYTES; at += 64) seen.add(toHex(block.subarray(at, at + 64)));
    }
    expect(seen.size).toBe(4 * 1_024);
  });

  test('are walked in an order that the blocks themselves give, as in the golden file', () => {
    const { nonce, blocks, key, passes, order, digests } = golden.walk;
    let digest: Uint8Array | null = null;
    for (const [hop, expected] of order.entries()) {
      const number = nextDiskBlock(hex(nonce), digest, blocks);
      expect(number).toBe(expected);
      digest = diskHopDigest(hex(nonce), hop, make(hex(key), [number], passes).subarray(0, DISK_BLOCK_BYTES));
      expect(toHex(digest)).toBe(digests[hop]);
    }
  });

  test('are chosen fairly: every block of a small disk comes up', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 400; i++) seen.add(nextDiskBlock(new Uint8Array(32).fill(i), new Uint8Array(32).fill(i), 13));
    for (let i = 0; i < 400; i++) seen.add(nextDiskBlock(Uint8Array.of(...Buffer.alloc(31), i), null, 13));
    expect(seen.size).toBe(13);
    expect(Math.max(...seen)).toBeLessThan(13);
  });
});

describe('frames of a machine session', () => {
  const asks: fc.Arbitrary<MachineAsk> = fc.oneof(
    fc.record({
      type: fc.constant('write' as const),
      key: bytes32,
      blocks: fc.integer({ min: 1, max: 2 ** 31 }),
      passes: fc.nat(65_536),
      limitMs: fc.integer({ min: 1, max: 900_000 }),
    }),
    fc.record({ type: fc.constant('walk' as const), nonce: bytes32, hops: fc.integer({ min: 1, max: 1_024 }) }),
    fc.record({
      type: fc.constant('listen' as const),
      secret: bytes32,
      ports: fc.array(fc.integer({ min: 1, max: 65_535 }), { maxLength: 16 }),
    }),
    fc.record({
      type: fc.constant('read' as const),
      path: fc.string({ maxLength: 200 }).map((text) => `/${text}`),
      offset: fc.nat(),
      length: fc.integer({ min: 1, max: 1_048_576 }),
    }),
  );
  const answers: fc.Arbitrary<MachineAnswer> = fc.oneof(
    fc.record({ type: fc.constant('wrote' as const), blocks: fc.nat(2 ** 31 - 1), full: fc.boolean() }),
    fc.record({ type: fc.constant('hop' as const), digest: bytes32 }),
    fc.record({
      type: fc.constant('bytes' as const),
      at: fc.nat(2 ** 31 - 1),
      data: fc.uint8Array({ minLength: 1, maxLength: FILE_BYTES_PER_FRAME }),
    }),
  );

  test('come out of a line as they went in, both ways', () => {
    fc.assert(
      fc.property(asks, answers, (ask, answer) => {
        const heard = lineReader('machine-validator')(
          Buffer.from(encodeLine('machine-validator', encodeMachineFrame(ask))),
        );
        expect(heard.map((event) => event.kind === 'frame' && parseMachineAsk(event.frame))).toEqual([ask]);
        const said = lineReader('machine-pod')(Buffer.from(encodeLine('machine-pod', encodeMachineFrame(answer))));
        expect(said.map((event) => event.kind === 'frame' && parseMachineAnswer(event.frame))).toEqual([answer]);
      }),
      { numRuns: 50 },
    );
  });

  test('carry the bytes of a Buffer like those of any array', () => {
    const ask = { type: 'walk' as const, nonce: Buffer.alloc(32, 7), hops: 3 };
    expect(parseMachineAsk(encodeMachineFrame(ask))).toEqual({ ...ask, nonce: new Uint8Array(32).fill(7) });
  });

  test('of a stranger are read or refused, and never throw', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: MAX_FRAME_BYTES }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          parseMachineAsk(bytes);
          parseMachineAnswer(bytes);
        },
      ),
    );
    for (const text of ['', '[]', 'null', '{"type":"hop","digest":"00"}', '{"type":"wrote","blocks":-1,"full":true}'])
      expect(parseMachineAnswer(Buffer.from(text))).toBeNull();
    const huge = { type: 'write', key: '00'.repeat(32), blocks: 2 ** 40, passes: 1, limitMs: 1 };
    expect(parseMachineAsk(Buffer.from(JSON.stringify(huge)))).toBeNull();
    expect(parseMachineAsk(Buffer.from('{"type":"read","path":"etc","offset":0,"length":1}'))).toBeNull();
  });
});

describe('a request to a published port', () => {
  const request = fc.record({
    kind: fc.constantFrom(...RESPONDER_KINDS),
    nonce: bytes32,
    bytes: fc.nat(64 * 1024 * 1024),
  });

  test('is read by who knows the secret, at the port that it was made for, and by nobody else', () => {
    fc.assert(
      fc.property(request, bytes32, bytes32, fc.nat(65_534), (made, secret, other, port) => {
        const wire = encodeResponderRequest(made, secret, port);
        expect(parseResponderRequest(wire, secret, port)).toEqual(made);
        expect(parseResponderRequest(wire, secret, port + 1)).toBeNull();
        if (toHex(other) !== toHex(secret)) expect(parseResponderRequest(wire, other, port)).toBeNull();
      }),
    );
  });

  test('and its answer are those of the golden file', () => {
    const { secret, port, nonce, bytes, request: wire, answer } = golden.responder;
    const made = { kind: 'up' as const, nonce: hex(nonce), bytes };
    expect(toHex(encodeResponderRequest(made, hex(secret), port))).toBe(wire);
    expect(toHex(responderAnswer(made, hex(secret), port, new Uint8Array(32)))).toBe(answer);
  });
});
