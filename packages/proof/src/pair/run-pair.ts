/** The validator's side of a pair: one unit shares its memory, the other answers a timed chain over both, and opens what is drawn. Every wait is bounded. */
import { toHex } from '../bytes.ts';
import { type FilledProver } from '../challenge.ts';
import { collectOpenings, collectRoots, ConversationEnd, expectFrame, send } from '../conversation.ts';
import { MAX_RTT_CREDIT_MS } from '../deadline.ts';
import { failure, type ProofFailure } from '../failures.ts';
import { HASH_BYTES, PEER_TOKEN_BYTES } from '../frames.ts';
import { drawPairSamples } from './audit-pair.ts';
import { pairPlan } from './pair-sizes.ts';
import { type PairTranscript, seedOfMember, startPairChain } from './pair-transcript.ts';

/** How long a prover may take to share its memory, or to reach that of its peer. */
const JOIN_MS = 30_000;

/** Two provers of one machine that have both answered and are still filled. */
export interface PairOptions {
  lead: FilledProver;
  peer: FilledProver;
  /** Cryptographic randomness. */
  randomBytes(count: number): Uint8Array;
  /** Awaited before the start, so that all pairs of a round run at once and share what the machine has. */
  beforeStart?(): Promise<void>;
}

/** What came of it. `failure` is null when every root and opening arrived in time. */
export interface PairResult {
  transcript: PairTranscript;
  /** From sending `start` to the arrival of the last root; null when it did not come. */
  elapsedMs: number | null;
  failure: ProofFailure | null;
}

/** Runs the chain of one pair to its end. What the provers do never makes it reject; null where this pair has nothing to show (`pairPlan`). */
export async function runPair(options: PairOptions): Promise<PairResult | null> {
  const { lead, peer } = options;
  if (pairPlan(lead.params, peer.params) === null) return null;
  const result: PairResult = {
    transcript: {
      version: 'cgp1/pair-transcript/1',
      lead: lead.member,
      peer: peer.member,
      startNonce: '',
      auditNonce: '',
      roots: [],
      openings: [],
    },
    elapsedMs: null,
    failure: null,
  };
  try {
    await converse(options, result);
  } catch (error) {
    if (!(error instanceof ConversationEnd)) throw error;
    result.failure = error.reason;
  }
  return result;
}

async function converse({ lead, peer, randomBytes, beforeStart }: PairOptions, result: PairResult): Promise<void> {
  const { answers, steps, limitMs } = pairPlan(lead.params, peer.params)!;
  const { transcript } = result;
  const token = randomBytes(PEER_TOKEN_BYTES);
  const peerSeed = seedOfMember(peer.member);
  const slow = failure('no-peer', `not within ${JOIN_MS} ms`);
  send(peer, { type: 'share', token });
  await expectFrame(peer, 'shared', peer.clock.nowMs() + JOIN_MS, slow);
  send(lead, { type: 'pair', token, peerSeed, peerLeaves: peer.params.memoryLeaves, answers, steps });
  await expectFrame(lead, 'paired', lead.clock.nowMs() + JOIN_MS, slow);
  await beforeStart?.();
  const startNonce = randomBytes(HASH_BYTES);
  transcript.startNonce = toHex(startNonce);
  const startedAtMs = lead.clock.nowMs();
  send(lead, { type: 'start', nonce: startNonce });
  let lastMs: number | null = null;
  const lastValue = await collectRoots(lead, {
    steps,
    firstValue: startPairChain(seedOfMember(lead.member), peerSeed, startNonce),
    startedAtMs,
    limitMs: limitMs + MAX_RTT_CREDIT_MS,
    onRoot(root, afterMs) {
      transcript.roots.push(root);
      lastMs = afterMs;
    },
  });
  result.elapsedMs = lastMs;
  const auditNonce = randomBytes(HASH_BYTES);
  transcript.auditNonce = toHex(auditNonce);
  const plan = pairPlan(lead.params, peer.params)!;
  transcript.openings = await collectOpenings(lead, drawPairSamples(plan, auditNonce, lastValue));
}
