/** The promise of README.md, kept by a program: whoever writes a prover from it alone passes, in this process and as a process of its own. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  auditTranscript,
  checkClaim,
  judgeChallenge,
  plainKernels,
  type ProofClock,
  proofParams,
  type ProofTransport,
  PURPOSES,
  type Purpose,
  rootOfPath,
  runChallenge,
  STEP_KINDS,
} from '../../src/index.ts';
import { BINDING } from '../fixtures.ts';
import {
  answerCount,
  answersOf,
  bytesOf,
  cellOf,
  expandSegment,
  fillMemory,
  pathOf,
  sha,
  treeOf,
  wordsOf,
} from './arithmetic.ts';
import { StrangersProver } from './prover.ts';

const golden = JSON.parse(readFileSync(new URL('../../golden/cgp1.json', import.meta.url), 'utf8')) as Golden;

interface Golden {
  seed: string;
  startNonce: string;
  cells: { iterations: number; leaf: number; cell: number; bytes: string }[];
  operands: { kind: 'int8' | 'bf16'; q: string; segment: number; elements: number[] }[];
  microChain: { kind: (typeof STEP_KINDS)[number]; q: string; digests: string; root: string }[];
  gpu: {
    purpose: Purpose;
    memoryLeaves: number;
    q: string;
    answers: { kind: (typeof STEP_KINDS)[number]; index: number; digest: string }[];
  }[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const SEED = fromHex(golden.seed);
/** The sizes of the vectors, as README.md states them. */
const MICRO = { leaves: 32, fillRounds: 4, n: 256, k: 256, segment: 256, walkers: 32, hops: 16 };
const GPU_ROUTINE = { fillRounds: 256, n: 16384, k: 16384, segment: 16384, walkers: 1_048_576, hops: 256 };

/** A clock that stands still: what is judged here is content, and how fast plain JavaScript is on this machine must not matter. */
const stoppedClock: ProofClock = { nowMs: () => 0, setTimer: () => () => undefined };

function inThisProcess(): ProofTransport {
  let heard: (chunk: Uint8Array) => void = () => undefined;
  let ended: () => void = () => undefined;
  const prover = new StrangersProver(
    (line) => queueMicrotask(() => heard(new TextEncoder().encode(line))),
    () => queueMicrotask(() => ended()),
  );
  return {
    write: (text) => queueMicrotask(() => prover.receive(new TextEncoder().encode(text))),
    onData: (listener) => {
      heard = listener;
      prover.open();
    },
    onClose: (listener) => void (ended = listener),
  };
}

function asAProcess(): ProofTransport {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], { stdio: ['pipe', 'pipe', 'ignore'] });
  return {
    write: (text) => void child.stdin.write(text),
    onData: (listener) => void child.stdout.on('data', listener),
    onClose: (listener) => void child.on('close', listener),
  };
}

async function challengeOver(transport: ProofTransport, purpose: Purpose) {
  const declaredRateUnitsPerSecond = 1000;
  const result = await runChallenge({
    transport,
    clock: stoppedClock,
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    params: proofParams('micro', purpose),
    binding: BINDING,
    declaredRateUnitsPerSecond,
  });
  const audit = result.failure === null ? auditTranscript(result.transcript) : null;
  return { result, claim: judgeChallenge({ result, audit, declaredRateUnitsPerSecond }) };
}

test('a prover written from the README alone passes onboarding and routine challenges', async () => {
  for (const purpose of PURPOSES) {
    const { result, claim } = await challengeOver(inThisProcess(), purpose);
    expect(claim).toMatchObject({ verdict: 'pass', reason: 'none' });
    expect(claim.figures).toMatchObject(proofParams('micro', purpose).audit);
    expect(checkClaim(claim, result.transcript).ok).toBe(true);
  }
});

test('a prover written from the README alone passes as a process that reads and writes lines', async () => {
  for (const purpose of PURPOSES) {
    const { claim } = await challengeOver(asAProcess(), purpose);
    expect(claim).toMatchObject({ verdict: 'pass', reason: 'none' });
  }
});

test('the stranger knows nothing of ours but the README: the prover imports node:crypto and its own two files', () => {
  const sources = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  const imported = sources.flatMap((name) =>
    [...readFileSync(join(import.meta.dirname, name), 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(
      ([, from]) => from,
    ),
  );
  expect(new Set(imported)).toEqual(new Set(['node:crypto', './arithmetic.ts', './prover.ts']));
});

test('the stranger fills the cells and expands the operands of the golden vectors', () => {
  for (const { iterations, leaf, cell, bytes } of golden.cells) {
    expect(hex(bytesOf(cellOf(SEED, leaf * 256 + cell, iterations)))).toBe(bytes);
  }
  for (const { kind, q, segment, elements } of golden.operands) {
    const cell = cellOf(SEED, 0, 4);
    expect([...expandSegment(kind, wordsOf(fromHex(q)), cell, segment, elements.length)]).toEqual(elements);
  }
});

test('the stranger computes the digests and roots of the golden micro chain', () => {
  const memory = fillMemory(SEED, MICRO);
  let q = sha('celium/cgp1/start', SEED, fromHex(golden.startNonce));
  for (const step of golden.microChain) {
    const code = STEP_KINDS.indexOf(step.kind);
    const answerOf = answersOf(code, memory, q, MICRO);
    const answers = Array.from({ length: answerCount(code, MICRO) }, (_, index) => answerOf(index));
    const root = treeOf(answers).at(-1)![0]!;
    expect({ kind: step.kind, q: hex(q), digests: answers.map(hex).join(''), root: hex(root) }).toMatchObject({
      q: step.q,
      digests: step.digests,
      root: step.root,
    });
    q = sha(q, root);
  }
});

test('the stranger computes the golden digests at GPU sizes without holding the memory', () => {
  const { memoryLeaves, q, answers } = golden.gpu.find(({ purpose }) => purpose === 'routine')!;
  const sizes = { ...GPU_ROUTINE, leaves: memoryLeaves };
  const memory = (counter: number): Uint32Array => cellOf(SEED, counter, sizes.fillRounds);
  for (const { kind, index, digest } of answers) {
    expect(hex(answersOf(STEP_KINDS.indexOf(kind), memory, fromHex(q), sizes)(index))).toBe(digest);
  }
});

test('the stranger takes every size from the challenge: rows of many segments and lone nodes of a tree agree with the audit', () => {
  const sizes = { leaves: 24, fillRounds: 3, n: 256, k: 512, segment: 128, walkers: 40, hops: 5 };
  const params = {
    ...proofParams('micro', 'routine'),
    memoryLeaves: sizes.leaves,
    fillIterations: sizes.fillRounds,
    productDepth: sizes.k,
    segmentBytes: sizes.segment,
    walkers: sizes.walkers,
    hopsPerWalk: sizes.hops,
  };
  const kernels = plainKernels(params, SEED);
  const memory = fillMemory(SEED, sizes);
  const q = sha('any chain value');
  const stranger = (code: number, index: number) => hex(answersOf(code, memory, q, sizes)(index));
  expect(stranger(0, 23)).toBe(hex(kernels.leafDigest(q, 23)));
  expect(stranger(1, 39)).toBe(hex(kernels.walkDigests([{ q, walk: 39 }])[0]!));
  expect(stranger(2, 6)).toBe(hex(kernels.tileDigest('int8', q, 6)));
  expect(stranger(3, 15)).toBe(hex(kernels.tileDigest('bf16', q, 15)));
  for (const count of [8, 24, 40, 104]) {
    const answers = Array.from({ length: count }, (_, i) => sha(String(i)).subarray(0, 8));
    const levels = treeOf(answers);
    for (let i = 0; i < count; i++) {
      const leaf = Math.floor(i / 8);
      const shown = Buffer.concat(answers.slice(8 * leaf, 8 * leaf + 8));
      const path = Buffer.concat(pathOf(levels, i));
      expect(rootOfPath(shown, leaf, count / 8, path)).toEqual(levels.at(-1)![0]);
    }
  }
});
