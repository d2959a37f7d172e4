/**
 * Shells whose provers are simulated GPUs at full size, on a simulated link, in real time. Their Merkle trees are real and their answers are
 * invented (a device that answers right without doing the work is what the proof excludes), so that an audit checks every path, recomputes
 * every sample, and finds each wrong: it costs what the audit of an honest proof costs.
 */
import { createHash } from 'node:crypto';
import {
  answerCount,
  CHAIN_SECONDS,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  encodeLine,
  encodeProverFrame,
  lineReader,
  parseValidatorFrame,
  type ProofParams,
  PROTOCOL_VERSION,
  STEP_KINDS,
  stepCount,
  stepKind,
  type StepKind,
  type ProverFrame,
} from '@celium/proof';
import type { Shell, ShellPort } from '../apps/validator/src/ports.ts';
import { hashOfHostKeyLine } from '../apps/validator/src/shell/ssh-shell.ts';

const ROUND_TRIP_MS = 20;
const FILL_MS = 2_000;
/** These devices are a little faster than what they declare. */
const PACE = 0.97;
const LEAF = new Uint8Array(DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF);

/** A Merkle tree whose leaves are all alike: one hash per level, and the last node's, which differs where a level is odd. */
interface UniformTree {
  levels: Array<{ width: number; inner: Buffer; last: Buffer }>;
  root: Buffer;
}

function uniformTree(leaves: number): UniformTree {
  const hash = (bytes: Uint8Array, tag: number): Buffer =>
    createHash('sha256').update(bytes).update(Uint8Array.of(tag)).digest();
  let level = { width: leaves, inner: hash(LEAF, 0), last: hash(LEAF, 0) };
  const levels = [level];
  while (level.width > 1) {
    const last = level.width % 2 === 1 ? level.last : hash(Buffer.concat([level.inner, level.last]), 1);
    const inner = hash(Buffer.concat([level.inner, level.inner]), 1);
    level = { width: Math.ceil(level.width / 2), inner, last };
    levels.push(level);
  }
  return { levels, root: level.last };
}

function pathIn({ levels }: UniformTree, leaf: number): Uint8Array {
  const siblings: Uint8Array[] = [];
  let at = leaf;
  for (const { width, inner, last } of levels) {
    const sibling = at ^ 1;
    if (width > 1 && sibling < width) siblings.push(sibling === width - 1 ? last : inner);
    at = Math.floor(at / 2);
  }
  return Buffer.concat(siblings);
}

/** Shells of devices that answer challenges of these parameters. */
export function simulatedGpus(params: ProofParams): ShellPort {
  const trees = Object.fromEntries(
    STEP_KINDS.map((kind) => [kind, uniformTree(answerCount(params, kind) / DIGESTS_PER_MERKLE_LEAF)]),
  ) as Record<StepKind, UniformTree>;
  return {
    newClientKey: () => ({ publicLine: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZpeHR1cmU', privateKey: '' }),
    connect: async ({ hostKey }) => ({
      hostKeyHash: hashOfHostKeyLine(hostKey),
      openShell: async () => startGpu(params, trees),
      close: () => {},
    }),
  };
}

function startGpu(params: ProofParams, trees: Record<StepKind, UniformTree>): Shell {
  const encoder = new TextEncoder();
  const read = lineReader('validator');
  const timers = new Set<NodeJS.Timeout>();
  let listener: (chunk: Uint8Array) => void = () => {};
  const after = (delayMs: number, act: () => void): void => {
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        act();
      },
      Math.max(0, delayMs),
    );
    timers.add(timer);
  };
  const send = (frame: ProverFrame): void =>
    after(ROUND_TRIP_MS / 2, () => listener(encoder.encode(encodeLine('prover', encodeProverFrame(frame)))));
  const steps = stepCount(params);
  const stepMs = (CHAIN_SECONDS[params.purpose] * 1000 * PACE) / steps;

  function runChain(startedAtMs: number, step: number): void {
    if (step === steps) return;
    send({ type: 'root', step, root: trees[stepKind(params, step)].root });
    after(startedAtMs + (step + 2) * stepMs - performance.now(), () => runChain(startedAtMs, step + 1));
  }

  function take(bytes: Uint8Array): void {
    const frame = parseValidatorFrame(bytes);
    if (frame?.type === 'ping') send({ type: 'pong', token: frame.token });
    if (frame?.type === 'challenge') after(FILL_MS, () => send({ type: 'filled' }));
    if (frame?.type === 'start') {
      const startedAtMs = performance.now();
      after(stepMs, () => runChain(startedAtMs, 0));
    }
    if (frame?.type !== 'open') return;
    for (const { step, index } of frame.samples) {
      const path = pathIn(trees[stepKind(params, step)], Math.floor(index / DIGESTS_PER_MERKLE_LEAF));
      send({ type: 'opening', step, index, digests: LEAF, path });
    }
  }

  return {
    write(text) {
      for (const event of read(encoder.encode(text)))
        if (event.kind === 'frame') after(ROUND_TRIP_MS / 2, () => take(event.frame));
    },
    onData(receiver) {
      listener = receiver;
      send({ type: 'hello', version: PROTOCOL_VERSION, device: 'simulated' });
    },
    onClose: () => {},
    close() {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      listener = () => {};
    },
  };
}
