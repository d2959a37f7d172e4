/** A prover for tests, as a process of its own: honest at micro size, or a cheat of the kind that its argument names. */

import {
  answerCount,
  buildTree,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  encodeLine,
  encodeProverFrame,
  lineReader,
  merklePath,
  nextChainValue,
  type PairRequest,
  parseValidatorFrame,
  proofParams,
  PROTOCOL_VERSION,
  startChain,
  startPairChain,
  stepCount,
  stepKind,
  wasmKernels,
  wasmPairDigest,
  type AuditKernels,
  type MerkleTree,
  type ProofParams,
  type ProverFrame,
  type StepKind,
} from '@celium/proof';

/** What a test's prover does. */
export const CHEATS = ['none', 'skip', 'seed', 'garbage', 'endless', 'silent', 'leave', 'slow', 'one-memory'] as const;
export type Cheat = (typeof CHEATS)[number];

/** `slow` sends its last root this much later. */
export const SLOW_MS = 1_500;
/** `skip` leaves out every fifth tile. */
const SKIP_EVERY = 5;

function serve(cheat: Cheat): void {
  const send = (frame: ProverFrame): void => void process.stdout.write(encodeLine('prover', encodeProverFrame(frame)));
  const read = lineReader('validator');
  let seed: Uint8Array = new Uint8Array(32);
  let params = proofParams('micro', 'onboarding');
  let pair: PairRequest | null = null;
  let trees: Array<{ tree: MerkleTree; digests: Uint8Array }> = [];

  async function take(bytes: Uint8Array): Promise<void> {
    const frame = parseValidatorFrame(bytes);
    if (frame === null || frame.type === 'end') process.exit(0);
    if (frame.type === 'ping') send({ type: 'pong', token: frame.token });
    if (frame.type === 'challenge') {
      seed = cheat === 'seed' ? frame.seed.map((byte) => byte ^ 1) : frame.seed;
      const onboarding = proofParams('micro', 'onboarding');
      params = frame.sizes.rounds === onboarding.rounds ? onboarding : proofParams('micro', 'routine');
      if (cheat === 'leave') process.exit(3);
      if (cheat === 'garbage') process.stdout.write('\x1b[2J not a frame \xff\n'.repeat(3));
      send({ type: 'filled' });
      if (cheat === 'garbage') process.stdout.write(encodeLine('prover', Uint8Array.of(0x99, 1, 2, 3)));
    }
    if (frame.type === 'share') send({ type: 'shared' });
    if (frame.type === 'pair') {
      pair = frame;
      send({ type: 'paired' });
    }
    if (frame.type === 'start' && pair !== null) trees = runPairChain(params, seed, pair, frame.nonce, cheat, send);
    else if (frame.type === 'start') trees = await runChain(params, seed, frame.nonce, cheat, send);
    if (frame.type === 'open')
      for (const { step, index } of frame.samples) {
        const { tree, digests } = trees[step]!;
        const leaf = Math.floor(index / DIGESTS_PER_MERKLE_LEAF);
        const leafBytes = DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF;
        const around = digests.slice(leaf * leafBytes, (leaf + 1) * leafBytes);
        send({ type: 'opening', step, index, digests: around, path: merklePath(tree, leaf) });
      }
  }

  let work = Promise.resolve();
  process.stdin.on('data', (chunk: Buffer) => {
    for (const event of read(chunk)) if (event.kind === 'frame') work = work.then(() => take(event.frame));
  });
  process.stdin.on('end', () => process.exit(0));
  send({ type: 'hello', version: PROTOCOL_VERSION, device: 'cpu' });
}

async function runChain(
  params: ProofParams,
  seed: Uint8Array,
  startNonce: Uint8Array,
  cheat: Cheat,
  send: (frame: ProverFrame) => void,
): Promise<Array<{ tree: MerkleTree; digests: Uint8Array }>> {
  const kernels = wasmKernels(params, seed);
  const trees: Array<{ tree: MerkleTree; digests: Uint8Array }> = [];
  let q = startChain(seed, startNonce);
  for (let step = 0; step < stepCount(params); step += 1) {
    const digests = digestsOf(kernels, params, stepKind(params, step), q, cheat === 'skip');
    const tree = buildTree(digests);
    const last = step === stepCount(params) - 1;
    if (cheat === 'slow' && last) await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    send({ type: 'root', step, root: tree.root });
    trees.push({ tree, digests });
    q = nextChainValue(q, tree.root);
  }
  return trees;
}

/** The chain of a pair, made from both seeds; `one-memory` takes its own for that of its peer. */
function runPairChain(
  params: ProofParams,
  seed: Uint8Array,
  { peerSeed, answers, steps }: PairRequest,
  startNonce: Uint8Array,
  cheat: Cheat,
  send: (frame: ProverFrame) => void,
): Array<{ tree: MerkleTree; digests: Uint8Array }> {
  const digestOf = wasmPairDigest({ params, seed }, { params, seed: cheat === 'one-memory' ? seed : peerSeed });
  const trees: Array<{ tree: MerkleTree; digests: Uint8Array }> = [];
  let q = startPairChain(seed, peerSeed, startNonce);
  for (let step = 0; step < steps; step += 1) {
    const digests = new Uint8Array(answers * DIGEST_BYTES);
    for (let i = 0; i < answers; i += 1) digests.set(digestOf(q, i), i * DIGEST_BYTES);
    const tree = buildTree(digests);
    send({ type: 'root', step, root: tree.root });
    trees.push({ tree, digests });
    q = nextChainValue(q, tree.root);
  }
  return trees;
}

function digestsOf(
  kernels: AuditKernels,
  params: ProofParams,
  kind: StepKind,
  q: Uint8Array,
  skip: boolean,
): Uint8Array {
  const count = answerCount(params, kind);
  const out = new Uint8Array(count * DIGEST_BYTES);
  if (kind === 'walk') {
    const walks = kernels.walkDigests(Array.from({ length: count }, (_, walk) => ({ q, walk })));
    walks.forEach((digest, walk) => out.set(digest, walk * DIGEST_BYTES));
    return out;
  }
  for (let index = 0; index < count; index += 1) {
    if (kind !== 'sweep' && skip && index % SKIP_EVERY === 0) continue;
    const digest = kind === 'sweep' ? kernels.leafDigest(q, index) : kernels.tileDigest(kind, q, index);
    out.set(digest, index * DIGEST_BYTES);
  }
  return out;
}

function main(argument: string | undefined): void {
  const cheat = CHEATS.find((name) => name === argument) ?? 'none';
  if (cheat === 'silent') process.stdin.resume();
  else if (cheat === 'endless') {
    const noise = `${'x'.repeat(1_000)}\n`.repeat(64);
    const pour = (): void => {
      while (process.stdout.write(noise));
      process.stdout.once('drain', pour);
    };
    pour();
  } else serve(cheat);
}

if (import.meta.main) main(process.argv[2]);
