/** One shell of a host that does what it likes with each frame of the validator: honest at micro size unless it is told otherwise. */

import {
  answerCount,
  buildTree,
  type ChallengeSizes,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  encodeLine,
  encodeProverFrame,
  lineReader,
  merklePath,
  type MerkleTree,
  nextChainValue,
  parseValidatorFrame,
  proofParams,
  type ProofParams,
  PROTOCOL_VERSION,
  type ProverFrame,
  startChain,
  stepCount,
  stepKind,
  type ValidatorFrame,
  wasmKernels,
} from '@celium/proof';
import type { Shell, ValidatorClock } from '../ports.ts';

/** What a host has in hand while it misbehaves. */
export interface Wire {
  clock: ValidatorClock;
  /** Bytes as they are; dropped once the validator has closed the shell. */
  raw(bytes: string | Uint8Array): void;
  send(frame: ProverFrame): void;
  /** The host's side of the stream is over. */
  hangUp(): void;
  /** What an honest prover does with a frame. */
  answer(frame: ValidatorFrame): void;
  isClosed(): boolean;
}

/** A host's manners. */
export interface Manners {
  /** When the shell is open; by default it greets. */
  open?(wire: Wire): void;
  /** Instead of an honest answer to a frame. */
  take?(wire: Wire, frame: ValidatorFrame): void;
}

const ONE_WAY_MS = 1;

export function greet(wire: Wire): void {
  wire.send({ type: 'hello', version: PROTOCOL_VERSION, device: 'cpu' });
}

/** Opens a shell with these manners. */
export function hostileShell(clock: ValidatorClock, manners: Manners): Shell {
  const encoder = new TextEncoder();
  const read = lineReader('validator');
  let hear: (chunk: Uint8Array) => void = () => {};
  let end: () => void = () => {};
  let closed = false;
  const prover = honestProver();
  const wire: Wire = {
    clock,
    raw(bytes) {
      if (!closed) hear(typeof bytes === 'string' ? encoder.encode(bytes) : bytes);
    },
    send: (frame) => wire.raw(encodeLine('prover', encodeProverFrame(frame))),
    hangUp: () => end(),
    answer: (frame) => prover(frame).forEach((reply) => wire.send(reply)),
    isClosed: () => closed,
  };
  return {
    write(text) {
      for (const event of read(encoder.encode(text))) {
        const frame = event.kind === 'frame' ? parseValidatorFrame(event.frame) : null;
        if (frame === null) continue;
        clock.setTimer(ONE_WAY_MS, () => (manners.take === undefined ? wire.answer(frame) : manners.take(wire, frame)));
      }
    },
    onData(listener) {
      hear = listener;
      clock.setTimer(ONE_WAY_MS, () => (manners.open ?? greet)(wire));
    },
    onClose: (listener) => void (end = listener),
    close: () => void (closed = true),
  };
}

/** An honest prover at micro size: a frame of the validator in, the frames that answer it out. */
function honestProver(): (frame: ValidatorFrame) => ProverFrame[] {
  let params: ProofParams = proofParams('micro', 'onboarding');
  let seed: Uint8Array = new Uint8Array(32);
  let steps: Array<{ digests: Uint8Array; tree: MerkleTree }> = [];
  return (frame) => {
    switch (frame.type) {
      case 'ping':
        return [{ type: 'pong', token: frame.token }];
      case 'challenge':
        seed = frame.seed;
        params = { ...params, ...(frame.sizes satisfies ChallengeSizes) };
        return [{ type: 'filled' }];
      case 'start':
        steps = chainOf(params, seed, frame.nonce);
        return steps.map(({ tree }, step) => ({ type: 'root', step, root: tree.root }));
      case 'open':
        return frame.samples.map(({ step, index }) => openingOf(steps[step], step, index));
      case 'share':
      case 'pair':
        return [{ type: 'error', error: 'no-peer' }];
      case 'end':
        return [];
    }
  };
}

function chainOf(
  params: ProofParams,
  seed: Uint8Array,
  startNonce: Uint8Array,
): Array<{ digests: Uint8Array; tree: MerkleTree }> {
  const kernels = wasmKernels(params, seed);
  let q = startChain(seed, startNonce);
  return Array.from({ length: stepCount(params) }, (_, step) => {
    const kind = stepKind(params, step);
    const indices = Array.from({ length: answerCount(params, kind) }, (_unused, index) => index);
    const walks = kind === 'walk' ? kernels.walkDigests(indices.map((walk) => ({ q, walk }))) : [];
    const digests = new Uint8Array(indices.length * DIGEST_BYTES);
    for (const index of indices) {
      const own = kind === 'sweep' ? kernels.leafDigest(q, index) : walks[index];
      digests.set(own ?? kernels.tileDigest(kind as 'int8' | 'bf16', q, index), index * DIGEST_BYTES);
    }
    const tree = buildTree(digests);
    q = nextChainValue(q, tree.root);
    return { digests, tree };
  });
}

/** The opening of an answer; one that opens nothing where there is no chain. */
function openingOf(
  made: { digests: Uint8Array; tree: MerkleTree } | undefined,
  step: number,
  index: number,
): ProverFrame {
  const bytes = DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF;
  if (made === undefined)
    return { type: 'opening', step, index, digests: new Uint8Array(bytes), path: new Uint8Array(64) };
  const leaf = Math.floor(index / DIGESTS_PER_MERKLE_LEAF);
  return {
    type: 'opening',
    step,
    index,
    digests: made.digests.slice(leaf * bytes, (leaf + 1) * bytes),
    path: merklePath(made.tree, leaf),
  };
}
