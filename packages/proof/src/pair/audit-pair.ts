/** The exact audit of a pair: both seeds from their parts, the draw again, every path, every sampled answer from both memories made anew. Pure; for a worker thread. */
import { sha256 } from '@noble/hashes/sha2.js';
import { openedDigest } from '../audit.ts';
import { concatBytes, equalBytes, ownHex, utf8 } from '../bytes.ts';
import { nextChainValue } from '../chain.ts';
import { type Sample, uniformNumbers } from '../draw.ts';
import { failure, type ProofFailure } from '../failures.ts';
import { paramsByName, type ProofParams } from '../params.ts';
import { type PairDigest, type PairMemory, wasmPairDigest } from './pair-kernels.ts';
import { type PairPlan, pairPlan } from './pair-sizes.ts';
import { isPairTranscript, type PairTranscript, seedOfMember, startPairChain } from './pair-transcript.ts';

/** Makes the answers of a pair: WASM by default, plain JavaScript as oracle. */
export type PairDigestFactory = (lead: PairMemory, peer: PairMemory) => PairDigest;

/** The result of recomputing every sampled answer of a pair. */
export interface PairAudit {
  ok: boolean;
  failure: ProofFailure | null;
  checked: number;
  wrong: number;
}

const DRAW_DOMAIN = 'celium/cgp1/pair-draw';

/** Draws answers of the whole chain, each uniform and without repetition. */
export function drawPairSamples(plan: PairPlan, auditNonce: Uint8Array, lastValue: Uint8Array): Sample[] {
  const uniform = uniformNumbers(sha256(concatBytes(utf8(DRAW_DOMAIN), auditNonce, lastValue)));
  const drawn = new Set<number>();
  while (drawn.size < plan.samples) drawn.add(uniform(plan.steps * plan.answers));
  return [...drawn].map((answer) => ({ step: Math.floor(answer / plan.answers), index: answer % plan.answers }));
}

/** Recomputes all samples of a pair. Never throws for what a transcript holds. */
export function auditPair(transcript: PairTranscript, makeDigest: PairDigestFactory = wasmPairDigest): PairAudit {
  const refuse = (reason: ProofFailure): PairAudit => ({ ok: false, failure: reason, checked: 0, wrong: 0 });
  if (!isPairTranscript(transcript)) return refuse(failure('malformed', 'not the transcript of a pair'));
  const { lead, peer } = transcript;
  const stranger = strangeField(transcript);
  if (stranger !== null) return refuse(failure('wrong-pair', stranger));
  const [leadParams, peerParams] = [paramsByName(lead.params), paramsByName(peer.params)];
  const plan = leadParams === null || peerParams === null ? null : pairPlan(leadParams, peerParams);
  if (plan === null) return refuse(failure('wrong-parameters'));
  const seeds = { lead: seedOfMember(lead), peer: seedOfMember(peer) };
  const opened = openedAnswers(transcript, plan, seeds);
  if ('code' in opened) return refuse(opened);
  const digest = makeDigest(
    { params: leadParams as ProofParams, seed: seeds.lead },
    { params: peerParams as ProofParams, seed: seeds.peer },
  );
  const wrong = opened.filter(({ q, index, claimed }) => !equalBytes(digest(q, index), claimed)).length;
  const found = wrong === 0 ? null : failure('wrong-answers', `wrong are ${wrong} of ${opened.length}`);
  return { ok: found === null, failure: found, checked: opened.length, wrong };
}

/** What keeps two members from being two units of one machine in one lease, under one barrier; null when nothing does. */
function strangeField({ lead, peer }: PairTranscript): string | null {
  if (lead.binding.unit === peer.binding.unit) return 'one unit twice';
  if (lead.binding.barrierId === '') return 'no barrier';
  const shared = ['hotkey', 'machineKey', 'grantHash', 'hostKeyHash', 'blockHash', 'barrierId'] as const;
  return shared.find((field) => lead.binding[field] !== peer.binding[field]) ?? null;
}

interface OpenedAnswer {
  q: Uint8Array;
  index: number;
  claimed: Uint8Array;
}

/** Repeats the draw and checks that each sample is opened under the root that its step sent. */
function openedAnswers(
  { startNonce, auditNonce, roots, openings }: PairTranscript,
  plan: PairPlan,
  seeds: { lead: Uint8Array; peer: Uint8Array },
): OpenedAnswer[] | ProofFailure {
  if (roots.length !== plan.steps || startNonce === '' || auditNonce === '') {
    return failure('incomplete-transcript', `${roots.length} of ${plan.steps} roots`);
  }
  const values = [startPairChain(seeds.lead, seeds.peer, ownHex(startNonce))];
  for (const root of roots) values.push(nextChainValue(values[values.length - 1]!, ownHex(root)));
  const samples = drawPairSamples(plan, ownHex(auditNonce), values[values.length - 1]!);
  if (openings.length !== samples.length) {
    return failure('incomplete-transcript', `${openings.length} of ${samples.length} openings`);
  }
  const answers: OpenedAnswer[] = [];
  for (const [i, { step, index }] of samples.entries()) {
    const opening = openings[i]!;
    if (opening.step !== step || opening.index !== index) {
      return failure('incomplete-transcript', `opening ${i} is not the sample that was drawn`);
    }
    const claimed = openedDigest(opening, plan.answers, ownHex(roots[step]!));
    if (claimed === null) return failure('bad-path', `answer ${index} of step ${step}`);
    answers.push({ q: values[step]!, index, claimed });
  }
  return answers;
}
