/** A prover over a resident device, in the validator's process: honest, or with the strategy of a cheat at each place where one can cheat. */
import {
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
  type ProofClock,
  type ProofTransport,
  PROTOCOL_VERSION,
  type ProverFrame,
  startChain,
  type StepKind,
} from '@celium/proof';
import type { RandomStream } from '../random.ts';
import type { ResidentDevice } from './device.ts';

/** One step as the prover committed to it. */
export interface CommittedStep {
  digests: Uint8Array;
  tree: MerkleTree;
}

/** A chain that was made once; the same challenge up to the draw finds it made. */
export interface MadeChain {
  steps: CommittedStep[];
  /** What was sent for each step. */
  roots: Uint8Array[];
}

/** What a cheat knows when it answers a step. */
export interface StepAtHand {
  device: ResidentDevice;
  sizes: ChallengeSizes;
  kind: StepKind;
  step: number;
  q: Uint8Array;
  random: RandomStream;
}

/** Where a cheat departs from the protocol; an absent function is honest. */
export interface Strategy {
  /** Answers from this seed instead of the given one. */
  seed?(given: Uint8Array): Uint8Array;
  /** After the fill: what the memory really holds. */
  spoilMemory?(device: ResidentDevice, sizes: ChallengeSizes, random: RandomStream): void;
  /** The digests of a step. */
  answer?(at: StepAtHand): Uint8Array;
  /** The root that is sent for a step. */
  commit?(committed: CommittedStep, at: StepAtHand): Uint8Array;
  /** A frame before it is sent; null sends nothing, two send two. */
  rewrite?(frame: ProverFrame, steps: readonly CommittedStep[]): ProverFrame | null;
}

/** So slow a path that a series has one probe: content tries are not about time. */
const PONG_MS = 3_000;

const encoder = new TextEncoder();

/** The stream to such a prover. Roots come a millisecond apart on the given clock, so an honest one is never late. */
export function residentProver(
  clock: ProofClock,
  deviceFor: (sizes: ChallengeSizes) => ResidentDevice,
  strategy: Strategy,
  random: RandomStream,
  made: MadeChain,
): ProofTransport {
  let listener: (chunk: Uint8Array) => void = () => undefined;
  const read = lineReader('validator');
  let device: ResidentDevice | null = null;
  let sizes: ChallengeSizes | null = null;
  let seed: Uint8Array = new Uint8Array(32);

  const send = (frame: ProverFrame): void => {
    const sent = strategy.rewrite === undefined ? frame : strategy.rewrite(frame, made.steps);
    if (sent !== null) listener(encoder.encode(encodeLine('prover', encodeProverFrame(sent))));
  };

  function makeChain(startNonce: Uint8Array): void {
    if (device === null || sizes === null) throw new Error('started before a challenge');
    let q = startChain(seed, startNonce);
    for (let step = 0; step < sizes.rounds * sizes.pattern.length; step++) {
      const kind = sizes.pattern[step % sizes.pattern.length]!;
      const at: StepAtHand = { device, sizes, kind, step, q, random };
      const digests = strategy.answer?.(at) ?? device.digests(kind, q);
      const committed = { digests, tree: buildTree(digests) };
      const root = strategy.commit?.(committed, at) ?? committed.tree.root;
      made.steps.push(committed);
      made.roots.push(root);
      q = nextChainValue(q, root);
    }
  }

  function take(line: Uint8Array): void {
    const frame = parseValidatorFrame(line);
    if (frame?.type === 'ping') clock.setTimer(PONG_MS, () => send({ type: 'pong', token: frame.token }));
    if (frame?.type === 'challenge') {
      if (made.steps.length === 0) {
        sizes = frame.sizes;
        seed = strategy.seed?.(frame.seed) ?? frame.seed;
        device = deviceFor(sizes);
        device.fill(seed);
        strategy.spoilMemory?.(device, sizes, random);
      }
      clock.setTimer(1, () => send({ type: 'filled' }));
    }
    if (frame?.type === 'start') {
      if (made.steps.length === 0) makeChain(frame.nonce);
      for (const [step, root] of made.roots.entries()) {
        clock.setTimer(step + 1, () => send({ type: 'root', step, root }));
      }
    }
    if (frame?.type === 'open') {
      clock.setTimer(1, () => {
        for (const { step, index } of frame.samples) send(openingOf(made.steps[step]!, step, index));
      });
    }
  }

  return {
    write(text) {
      for (const event of read(encoder.encode(text))) if (event.kind === 'frame') take(event.frame);
    },
    onData(receiver) {
      listener = receiver;
      clock.setTimer(1, () => send({ type: 'hello', version: PROTOCOL_VERSION, device: 'cpu' }));
    },
    onClose: () => undefined,
  };
}

/** The honest opening of one answer. */
export function openingOf(
  { digests, tree }: CommittedStep,
  step: number,
  index: number,
): Extract<ProverFrame, { type: 'opening' }> {
  const leaf = Math.floor(index / DIGESTS_PER_MERKLE_LEAF);
  const bytes = DIGESTS_PER_MERKLE_LEAF * DIGEST_BYTES;
  const opened = digests.slice(leaf * bytes, (leaf + 1) * bytes);
  return { type: 'opening', step, index, digests: opened, path: merklePath(tree, leaf) };
}
