/** A prover for tests that lives in the validator's process: honest, or dishonest in one named way. Independent of apps/prover. */
import { nextChainValue, startChain } from '../src/chain.ts';
import type { ProofClock, ProofTransport } from '../src/contracts.ts';
import {
  encodeProverFrame,
  type PairRequest,
  parseValidatorFrame,
  PROTOCOL_VERSION,
  type ProverFrame,
  type ValidatorFrame,
} from '../src/frames.ts';
import type { AuditKernels } from '../src/kernels.ts';
import { encodeLine, lineReader } from '../src/lines.ts';
import { buildTree, merklePath, type MerkleTree } from '../src/merkle.ts';
import { wasmPairDigest } from '../src/pair/pair-kernels.ts';
import { startPairChain } from '../src/pair/pair-transcript.ts';
import {
  answerCount,
  type ChallengeSizes,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  proofParams,
  type ProofParams,
  stepCount,
  stepKind,
  type StepKind,
} from '../src/params.ts';
import { wasmKernels } from '../src/wasm-kernels.ts';

/** What this prover does wrong; nothing by default. Delays are in milliseconds of the clock. */
export interface Misconduct {
  /** Share of product tiles whose digest is invented. */
  skippedTiles?: number;
  /** Share of memory leaves that are not there; walks that would touch them are invented. */
  missingMemory?: number;
  /** Answers with this seed instead of the one it was given. */
  seed?: Uint8Array;
  /** Before every answer to a probe. */
  probeDelayMs?: number;
  /** Before every root. */
  rootDelayMs?: number;
  /** Changes a frame before it is sent; null sends nothing. */
  rewrite?(frame: ProverFrame): ProverFrame | null;
  /** Sent before the greeting, as a shell would. */
  preamble?: string;
  kernels?(params: ProofParams, seed: Uint8Array): AuditKernels;
  /** What it does wrong as the lead of a pair. */
  pair?: PairMisconduct;
}

/** Departures of a lead. */
export interface PairMisconduct {
  /** What it takes for the seed of its peer's memory, and for its own. */
  seeds?(own: Uint8Array, peer: Uint8Array): { own: Uint8Array; peer: Uint8Array };
  /** What it takes for the start nonce. */
  nonce?(nonce: Uint8Array): Uint8Array;
  /** Changes a step's digests before they are committed to. */
  digests?(digests: Uint8Array, step: number): void;
}

const encoder = new TextEncoder();

interface Step {
  digests: Uint8Array;
  tree: MerkleTree;
}

/** A stream to a prover that behaves as told. Frames arrive through the clock, never inside `write`. */
export function inMemoryProver(clock: ProofClock, misconduct: Misconduct = {}): ProofTransport {
  let listener: (chunk: Uint8Array) => void = () => undefined;
  const read = lineReader('validator');
  let seed: Uint8Array = new Uint8Array(32);
  let params: ProofParams = proofParams('micro', 'onboarding');
  let steps: Step[] = [];
  let pair: Extract<ValidatorFrame, { type: 'pair' }> | null = null;

  const emit = (text: string): void => listener(encoder.encode(text));
  const send = (frame: ProverFrame): void => {
    const rewritten = misconduct.rewrite === undefined ? frame : misconduct.rewrite(frame);
    if (rewritten !== null) emit(encodeLine('prover', encodeProverFrame(rewritten)));
  };

  function runChain(startNonce: Uint8Array): void {
    const kernels = (misconduct.kernels ?? wasmKernels)(params, seed);
    let q = startChain(seed, startNonce);
    steps = [];
    for (let step = 0; step < stepCount(params); step++) {
      const digests = stepDigests(kernels, params, stepKind(params, step), q, misconduct);
      const tree = buildTree(digests);
      steps.push({ digests, tree });
      const delayMs = (misconduct.rootDelayMs ?? 1) * (step + 1);
      clock.setTimer(delayMs, () => send({ type: 'root', step, root: tree.root }));
      q = nextChainValue(q, tree.root);
    }
  }

  function runPairChain({ peerSeed, peerLeaves, answers, steps: count }: PairRequest, startNonce: Uint8Array): void {
    const { seeds, nonce, digests: change } = misconduct.pair ?? {};
    const { own, peer } = seeds?.(seed, peerSeed) ?? { own: seed, peer: peerSeed };
    const lead = { params, seed: own };
    const digestOf = wasmPairDigest(lead, { params: { ...params, memoryLeaves: peerLeaves }, seed: peer });
    let q = startPairChain(seed, peerSeed, nonce?.(startNonce) ?? startNonce);
    steps = [];
    for (let step = 0; step < count; step++) {
      const digests = new Uint8Array(answers * DIGEST_BYTES);
      for (let i = 0; i < answers; i++) digests.set(digestOf(q, i), i * DIGEST_BYTES);
      change?.(digests, step);
      const tree = buildTree(digests);
      steps.push({ digests, tree });
      clock.setTimer((misconduct.rootDelayMs ?? 1) * (step + 1), () => send({ type: 'root', step, root: tree.root }));
      q = nextChainValue(q, tree.root);
    }
  }

  function take(frame: ValidatorFrame): void {
    if (frame.type === 'ping') {
      clock.setTimer(misconduct.probeDelayMs ?? 20, () => send({ type: 'pong', token: frame.token }));
    } else if (frame.type === 'challenge') {
      seed = misconduct.seed ?? frame.seed;
      params = { ...params, ...(frame.sizes satisfies ChallengeSizes) };
      clock.setTimer(5, () => send({ type: 'filled' }));
    } else if (frame.type === 'share') {
      clock.setTimer(1, () => send({ type: 'shared' }));
    } else if (frame.type === 'pair') {
      pair = frame;
      clock.setTimer(1, () => send({ type: 'paired' }));
    } else if (frame.type === 'start' && pair !== null) {
      runPairChain(pair, frame.nonce);
    } else if (frame.type === 'start') {
      runChain(frame.nonce);
    } else if (frame.type === 'open') {
      clock.setTimer(5, () => {
        for (const { step, index } of frame.samples) send(openingOf(steps[step]!, step, index));
      });
    }
  }

  return {
    write(text) {
      // A terminal may echo what it is sent; the reader has to be deaf to it.
      emit(text);
      for (const event of read(encoder.encode(text))) {
        const frame = event.kind === 'frame' ? parseValidatorFrame(event.frame) : null;
        if (frame !== null) take(frame);
      }
    },
    onData(receiver) {
      listener = receiver;
      clock.setTimer(1, () => {
        emit(misconduct.preamble ?? '');
        send({ type: 'hello', version: PROTOCOL_VERSION, device: 'cpu' });
      });
    },
    onClose: () => undefined,
  };
}

function openingOf({ digests, tree }: Step, step: number, index: number): ProverFrame {
  const leaf = Math.floor(index / DIGESTS_PER_MERKLE_LEAF);
  const bytes = DIGESTS_PER_MERKLE_LEAF * DIGEST_BYTES;
  const opened = digests.slice(leaf * bytes, (leaf + 1) * bytes);
  return { type: 'opening', step, index, digests: opened, path: merklePath(tree, leaf) };
}

function stepDigests(
  kernels: AuditKernels,
  params: ProofParams,
  kind: StepKind,
  q: Uint8Array,
  misconduct: Misconduct,
): Uint8Array {
  const count = answerCount(params, kind);
  const out = new Uint8Array(count * DIGEST_BYTES);
  const walks = kind === 'walk' ? kernels.walkDigests(Array.from({ length: count }, (_, walk) => ({ q, walk }))) : [];
  for (let i = 0; i < count; i++) {
    if (isInvented(kind, i, count, params, misconduct)) out.set(invented(i), i * DIGEST_BYTES);
    else if (kind === 'walk') out.set(walks[i]!, i * DIGEST_BYTES);
    else if (kind === 'sweep') out.set(kernels.leafDigest(q, i), i * DIGEST_BYTES);
    else out.set(kernels.tileDigest(kind, q, i), i * DIGEST_BYTES);
  }
  return out;
}

function isInvented(kind: StepKind, i: number, count: number, params: ProofParams, misconduct: Misconduct): boolean {
  const { skippedTiles = 0, missingMemory = 0 } = misconduct;
  if (kind === 'sweep') return i < count * missingMemory;
  if (kind === 'walk') return i < count * (1 - (1 - missingMemory) ** params.hopsPerWalk);
  return (i * 7919) % count < count * skippedTiles;
}

function invented(i: number): Uint8Array {
  return Uint8Array.of(i, i >> 8, 3, 1, 4, 1, 5, 9);
}
