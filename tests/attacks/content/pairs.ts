/**
 * Pairs of units whose lead does not have both memories: real digests at micro parameters, the real draw, audit and verdict. The wire is left out; what a prover can
 * do wrong there is in the unit tests of packages/proof.
 */
import {
  auditPair,
  buildTree,
  checkPairClaim,
  deriveSeed,
  DIGEST_BYTES,
  drawPairSamples,
  judgePair,
  type MerkleTree,
  nextChainValue,
  pairPlan,
  type PairTranscript,
  type PairDigestFactory,
  paramsName,
  type ProofBinding,
  proofParams,
  startPairChain,
  toHex,
  wasmPairDigest,
} from '@celium/proof';
import { type AttackFamily, composeRow, type DetectionTarget, emptyTally, type Tally } from '../family.ts';
import { type RandomStream, randomStream } from '../random.ts';
import type { RunTries, TrialSlice } from '../threads.ts';
import { openingOf } from './prover.ts';
import { randomBinding } from './trial.ts';

/** What a lead answers from: seeds of both memories, and the start that its chain belongs to. */
interface Answering {
  lead: Uint8Array;
  peer: Uint8Array;
  startNonce: Uint8Array;
}

/** One way to do without the memory of the peer. */
interface PairAttack {
  attack: string;
  targeted: boolean;
  note?: string;
  /** Departs from what an honest lead answers from. */
  answers?(honest: Answering, random: RandomStream): Partial<Answering>;
  /** The share of each step's answers that is made up. */
  madeUp?: number;
}

const HONEST: PairAttack = { attack: 'honest', targeted: false };
const ATTACKS: readonly PairAttack[] = [
  { attack: 'answers from its own memory alone', targeted: true, answers: ({ lead }) => ({ peer: lead }) },
  { attack: 'makes the memory of its peer up', targeted: true, answers: (_, random) => ({ peer: random.bytes(32) }) },
  {
    attack: 'one device behind two units hands over the roots of another pair',
    targeted: true,
    answers: (_, random) => ({ lead: random.bytes(32), peer: random.bytes(32) }),
  },
  { attack: 'answers of an earlier start', targeted: true, answers: (_, random) => ({ startNonce: random.bytes(32) }) },
  { attack: 'makes a quarter of the answers up', targeted: true, madeUp: 0.25 },
  {
    attack: 'makes an eighth of the answers up',
    targeted: false,
    madeUp: 0.125,
    note: 'looks 1.14 times as fast; every floor is at least 1.18 times what a bus with its host gives',
  },
];

const PARAMS = proofParams('micro', 'onboarding');
const PLAN = pairPlan(PARAMS, PARAMS)!;
const DRAWS_PER_CHAIN = 60;
const FULL_TRIES = 3_000;
const QUICK_TRIES = 60;
const ONBOARDING: DetectionTarget = { of: 'rate', atLeast: 0.999 };
const QUICK: DetectionTarget = { of: 'rate', atLeast: 0.95 };

/** A chain as the lead committed to it, and the transcript up to the draw. */
interface PairChain {
  transcript: PairTranscript;
  steps: { digests: Uint8Array; tree: MerkleTree }[];
  lastValue: Uint8Array;
  /** The audit's own kernel, which computes an answer once per chain however often it is drawn. */
  exact: PairDigestFactory;
}

function rememberingDigest(): PairDigestFactory {
  const known = new Map<string, Uint8Array>();
  return (lead, peer) => {
    const real = wasmPairDigest(lead, peer);
    return (q, index) => {
      const key = `${toHex(q)} ${index}`;
      const digest = known.get(key) ?? real(q, index);
      known.set(key, digest);
      return digest;
    };
  };
}

function makeChain({ answers, madeUp = 0 }: PairAttack, random: RandomStream): PairChain {
  const lead: ProofBinding = { ...randomBinding(random), unit: 'GPU-lead' };
  const bindings = [lead, { ...lead, unit: 'GPU-peer' }];
  const members = bindings.map((binding) => ({ params: paramsName(PARAMS), binding, nonce: toHex(random.bytes(32)) }));
  const seeds = members.map(({ nonce, binding }) => deriveSeed(Buffer.from(nonce, 'hex'), binding));
  const honest: Answering = { lead: seeds[0]!, peer: seeds[1]!, startNonce: random.bytes(32) };
  const used = { ...honest, ...answers?.(honest, random) };
  const digestOf = wasmPairDigest({ params: PARAMS, seed: used.lead }, { params: PARAMS, seed: used.peer });
  let [q, sent] = [
    startPairChain(used.lead, used.peer, used.startNonce),
    startPairChain(honest.lead, honest.peer, honest.startNonce),
  ];
  // Who hands over what another chain was asked follows that one; who lacks only the memory of the peer knows the value of this chain.
  const follows = answers !== undefined && (used.lead !== honest.lead || used.startNonce !== honest.startNonce);
  const steps = Array.from({ length: PLAN.steps }, () => {
    const digests = new Uint8Array(PLAN.answers * DIGEST_BYTES);
    for (let i = 0; i < PLAN.answers; i++) digests.set(digestOf(follows ? q : sent, i), i * DIGEST_BYTES);
    const first = random.below(PLAN.answers);
    for (let i = 0; i < madeUp * PLAN.answers; i++) {
      digests.set(random.bytes(DIGEST_BYTES), ((first + i) % PLAN.answers) * DIGEST_BYTES);
    }
    const tree = buildTree(digests);
    [q, sent] = [nextChainValue(q, tree.root), nextChainValue(sent, tree.root)];
    return { digests, tree };
  });
  const transcript: PairTranscript = {
    version: 'cgp1/pair-transcript/1',
    lead: members[0]!,
    peer: members[1]!,
    startNonce: toHex(honest.startNonce),
    auditNonce: '',
    roots: steps.map(({ tree }) => toHex(tree.root)),
    openings: [],
  };
  return { transcript, steps, lastValue: sent, exact: rememberingDigest() };
}

/** Draws from a chain, opens what is drawn, and judges it. The first draw of a chain gives the cost, and its claim has to follow from its transcript. */
function judgeDraw(chain: PairChain, auditNonce: Uint8Array, tally: Tally, isFirst: boolean): string {
  const { transcript, steps, lastValue, exact } = chain;
  const openings = drawPairSamples(PLAN, auditNonce, lastValue).map(({ step, index }) => {
    const { digests, path } = openingOf(steps[step]!, step, index);
    return { step, index, digests: toHex(digests), path: toHex(path) };
  });
  const opened = { ...transcript, auditNonce: toHex(auditNonce), openings };
  const before = process.threadCpuUsage();
  const claim = judgePair({ transcript: opened, elapsedMs: 1, failure: null }, auditPair(opened, exact));
  const { user, system } = process.threadCpuUsage(before);
  if (isFirst) {
    tally.units += 1;
    tally.validatorCpuSeconds += (user + system) / 1e6;
    tally.proofBytes += JSON.stringify(opened).length;
    if (!checkPairClaim(claim, opened).ok) throw new Error('a claim does not follow from its transcript');
  }
  return claim.reason;
}

/** Tries of one attack: each chain is made once and drawn from again and again. */
export const runTries: RunTries = async ({ attack: name, from, to, seed }: TrialSlice) => {
  const attack = [HONEST, ...ATTACKS].find((known) => known.attack === name);
  if (attack === undefined) throw new Error(`no attack ${name}`);
  const tally = emptyTally();
  let chain: PairChain | null = null;
  for (let number = from; number < to; number++) {
    const isFirst = chain === null || number % DRAWS_PER_CHAIN === 0;
    if (chain === null || isFirst) {
      chain = makeChain(attack, randomStream('pair', name, seed, Math.floor(number / DRAWS_PER_CHAIN)));
    }
    const reason = judgeDraw(chain, randomStream('pair-draw', name, seed, number).bytes(32), tally, isFirst);
    tally.tries += 1;
    if (reason !== 'none') tally.detected += 1;
    tally.reasons[reason] = (tally.reasons[reason] ?? 0) + 1;
  }
  return tally;
};

export const family: AttackFamily = {
  name: 'pairs',
  run: 'content',
  inQuick: true,
  async play({ quick, seed, threads, progress, row, notRun }) {
    const play = (attack: string): Promise<Tally> =>
      threads.run(new URL(import.meta.url), attack, quick ? QUICK_TRIES : FULL_TRIES, seed);
    const honest = await play(HONEST.attack);
    for (const { attack, targeted, note = '' } of ATTACKS) {
      const tally = await play(attack);
      const target = targeted ? (quick ? QUICK : ONBOARDING) : null;
      const head = { family: 'pairs', attack, run: 'content', target, simulated: false, note } as const;
      row(composeRow({ ...head, honestTarget: { atMost: 0 } }, tally, honest));
      progress(`  ${attack}: ${tally.detected} of ${tally.tries}`);
    }
    notRun('pairs of real cards over NVLink and over PCIe', 'needs NVIDIA GPUs, and the prover has no CUDA device yet');
  },
};
