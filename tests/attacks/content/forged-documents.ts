/**
 * Forged, edited and outdated proof files, given to the offline check that everybody has (`celium proof verify`). The last rows show what it cannot find: time is the
 * validator's word.
 */
import { keyFromSeed, signDocument, toHex } from '@celium/chain';
import { CeliumError, type ProofFile, type Receipt } from '@celium/contract';
import { decidingReceipt, RECEIPT_VALID_MS } from '@celium/domain';
import type { ProofClaim, ProofFigures, ProofTranscript } from '@celium/proof';
import { verifyProofFile } from '../../../apps/cli/src/proof/verify-file.ts';
import { type AttackFamily, composeRow, type DetectionTarget, emptyTally, type Tally } from '../family.ts';
import { type RandomStream, randomStream } from '../random.ts';
import type { RunTries } from '../threads.ts';
import { CHECKED_AT_MS, grantBody, type MadeFile, makeProofFile, type Parties, randomParties } from './proof-file.ts';
import { skippedOf } from './share.ts';
import type { Strategy } from './prover.ts';

/** Files from which forgeries are made in turn: making one costs more than checking it. */
const ORIGINALS = 4;
const FULL_TRIES = 3_000;
const QUICK_TRIES = 16;

interface Original extends MadeFile {
  parties: Parties;
  /** Another check of another machine, by the same validator. */
  other: MadeFile;
  /** A check of this machine that it failed, with the pass that a lying validator signs for it. */
  bought: MadeFile;
}

interface Forgery {
  attack: string;
  targeted: boolean;
  note?: string;
  forge(original: Original, random: RandomStream): Promise<ProofFile>;
}

const skipsHalf: Strategy = {
  answer(at) {
    const digests = at.device.digests(at.kind, at.q);
    for (const index of skippedOf(at, 0.5)) digests.fill(index, index * 8, index * 8 + 8);
    return digests;
  },
};

/** What a validator signs that was paid to: a pass, with the figures of a pass. */
function soldPass(claim: ProofClaim): ProofClaim {
  return {
    ...claim,
    verdict: 'pass',
    reason: 'none',
    detail: 'every sampled answer is exact and the chain was done in time',
  };
}

async function originalOf(random: RandomStream): Promise<Original> {
  const parties = randomParties(random);
  const made = await makeProofFile(parties, random);
  const strangers = { ...randomParties(random), validator: parties.validator };
  const other = await makeProofFile(strangers, random);
  const bought = await makeProofFile(parties, random, skipsHalf, soldPass);
  return { ...made, parties, other, bought };
}

/** The receipt with changes, signed again by whoever is named. */
async function resigned(
  { file, parties }: Original,
  changes: Partial<Receipt>,
  signer = parties.validator,
): Promise<ProofFile> {
  return { ...file, receipt: await signDocument('receipt', { ...file.receipt.body, ...changes }, signer) };
}

function figuresOf(file: ProofFile): { params: unknown; figures: ProofFigures } {
  return structuredClone(file.receipt.body['proof']) as { params: unknown; figures: ProofFigures };
}

/** A figure of the proof raised by a tenth and signed again by the validator. */
async function raised(original: Original, name: keyof ProofFigures): Promise<ProofFile> {
  const proof = figuresOf(original.file);
  proof.figures[name] = Math.ceil(proof.figures[name] * 1.1) + 1;
  return resigned(original, { proof } as Partial<Receipt>);
}

const FIGURES: readonly (keyof ProofFigures)[] = [
  'workUnits',
  'limitMs',
  'measuredRateUnitsPerSecond',
  'memoryBytes',
  'tiles',
  'leaves',
  'walks',
  'declaredRateUnitsPerSecond',
];

/** One character of a hex text changed for another. */
function flipped(hex: string, random: RandomStream): string {
  const at = random.below(hex.length);
  const digit = ((Number.parseInt(hex[at]!, 16) + 1 + random.below(15)) % 16).toString(16);
  return `${hex.slice(0, at)}${digit}${hex.slice(at + 1)}`;
}

function editedTranscript(file: ProofFile, random: RandomStream): ProofTranscript {
  const transcript = structuredClone(file.transcript) as ProofTranscript;
  const opening = transcript.openings[random.below(transcript.openings.length)]!;
  const root = random.below(transcript.roots.length);
  switch (random.below(5)) {
    case 0:
      opening.digests = flipped(opening.digests, random);
      break;
    case 1:
      opening.path = flipped(opening.path, random);
      break;
    case 2:
      transcript.roots[root] = flipped(transcript.roots[root]!, random);
      break;
    case 3:
      transcript.auditNonce = flipped(transcript.auditNonce, random);
      break;
    default:
      transcript.nonce = flipped(transcript.nonce, random);
  }
  return transcript;
}

type Forge = Forgery['forge'];

/** One of these, in turn by lot. */
const oneOf =
  (...ways: readonly Forge[]): Forge =>
  (original, random) =>
    ways[random.below(ways.length)]!(original, random);

const editsFigures: Forge = async ({ file }, random) => {
  const body = structuredClone(file.receipt.body);
  body.measured.workPerSecond += 1 + random.below(1_000);
  return { ...file, receipt: { ...file.receipt, body } };
};
const signsForAnother: Forge = (original, random) => resigned(original, {}, keyFromSeed(random.bytes(32)));
const raisesFigures: Forge = (original, random) => raised(original, FIGURES[random.below(FIGURES.length)]!);
const sellsPass: Forge = async ({ bought }) => bought.file;
const inventsFailure: Forge = (original) =>
  resigned(original, { verdict: 'fail', reason: { code: 'skipped-work', message: 'invented' } });
const editsTranscript: Forge = async ({ file }, random) => ({ ...file, transcript: editedTranscript(file, random) });
const borrowsTranscript: Forge = async (original) => {
  const { other } = original;
  const { transcriptHash } = other.file.receipt.body;
  const changed = await resigned(original, { transcriptHash, proof: figuresOf(other.file) } as Partial<Receipt>);
  return { ...changed, transcript: other.file.transcript };
};
const forgesGrant: Forge = async ({ file }, random) => ({
  ...file,
  grant: await signDocument('grant', file.grant.body, keyFromSeed(random.bytes(32))),
});
const swapsGrant: Forge = async ({ file, parties }, random) => ({
  ...file,
  grant: await signDocument('grant', grantBody(random), parties.machine),
});
const swapsHostKey: Forge = (original, random) => resigned(original, { hostKeyHash: toHex(random.bytes(32)) });
const shortensTime: Forge = (original) => {
  const proof = figuresOf(original.file);
  const elapsedMs = Math.max(1, Math.floor(proof.figures.elapsedMs / 2));
  proof.figures.elapsedMs = elapsedMs;
  proof.figures.measuredRateUnitsPerSecond = Math.floor((proof.figures.workUnits * 1000) / elapsedMs);
  return resigned(original, { proof } as Partial<Receipt>);
};

const FORGERIES: readonly Forgery[] = [
  {
    attack: 'receipt edited, or signed by another in the validator’s name',
    targeted: true,
    forge: oneOf(editsFigures, signsForAnother),
  },
  {
    attack: 'a lying validator signs a pass over wrong answers, a failure over right ones, or other figures',
    targeted: true,
    forge: oneOf(sellsPass, inventsFailure, raisesFigures),
  },
  {
    attack: 'transcript edited, or that of another machine under a receipt of its own',
    targeted: true,
    forge: oneOf(editsTranscript, borrowsTranscript),
  },
  {
    attack: 'grant of another key or another lease, or the host key of a man in the middle',
    targeted: true,
    forge: oneOf(forgesGrant, swapsGrant, swapsHostKey),
  },
  {
    attack: 'a lying validator signs a shorter time',
    targeted: false,
    note: 'time is the validator’s word: another validator’s fresh challenge is the check on it',
    forge: shortensTime,
  },
];

const EXPIRED = 'a pass older than a day';

/** Whether the offline check finds fault with a file. */
function isRefused(file: ProofFile): string | null {
  try {
    return verifyProofFile(file).findings.find((finding) => !finding.ok)?.check ?? null;
  } catch (error) {
    if (error instanceof CeliumError) return error.code;
    throw error;
  }
}

/** What a market and a score make of a pass that is older than receipts count. */
function expired({ file }: Original, random: RandomStream): string | null {
  const nowMs = CHECKED_AT_MS + 60_000 + RECEIPT_VALID_MS + 1 + random.below(1_000_000);
  const { receiptId, validator, verdict, endedAtMs } = file.receipt.body;
  return decidingReceipt([{ receiptId, validator, verdict, endedAtMs }], nowMs) === null ? 'expired' : null;
}

const forge = async (attack: string, original: Original, random: RandomStream): Promise<string | null> => {
  if (attack === EXPIRED) return expired(original, random);
  if (attack === 'honest') return isRefused(original.file);
  return isRefused(await FORGERIES.find((known) => known.attack === attack)!.forge(original, random));
};

const made = new Map<number, Original[]>();

/** The files of a seed, made once per thread. */
async function originalsOf(seed: number): Promise<Original[]> {
  const known = made.get(seed);
  if (known !== undefined) return known;
  const originals: Original[] = [];
  for (let i = 0; i < ORIGINALS; i++) originals.push(await originalOf(randomStream('original', seed, i)));
  made.set(seed, originals);
  return originals;
}

export const runTries: RunTries = async ({ attack, from, to, seed }) => {
  const tally = emptyTally();
  const originals = await originalsOf(seed);
  for (let number = from; number < to; number++) {
    const original = originals[number % originals.length]!;
    const before = process.threadCpuUsage();
    const found = await forge(attack, original, randomStream(attack, seed, number));
    const { user, system } = process.threadCpuUsage(before);
    tally.tries += 1;
    tally.units += 1;
    tally.validatorCpuSeconds += (user + system) / 1e6;
    tally.proofBytes += JSON.stringify(original.file).length;
    if (found !== null) tally.detected += 1;
    tally.reasons[found ?? 'none'] = (tally.reasons[found ?? 'none'] ?? 0) + 1;
  }
  return tally;
};

export const family: AttackFamily = {
  name: 'forged-documents',
  run: 'content',
  inQuick: true,
  async play(setting) {
    const { quick, seed, threads, progress } = setting;
    const tries = quick ? QUICK_TRIES : FULL_TRIES;
    const play = (attack: string): Promise<Tally> => threads.run(new URL(import.meta.url), attack, tries, seed);
    const honest = await play('honest');
    const all = [...FORGERIES, { attack: EXPIRED, targeted: true, note: 'the rule of markets and scores' }];
    for (const { attack, targeted, note = '' } of all) {
      const tally = await play(attack);
      const target: DetectionTarget | null = targeted ? { of: 'rate', atLeast: 0.999 } : null;
      const head = { family: 'forged-documents', attack, run: 'content', target, simulated: false, note } as const;
      setting.row(composeRow({ ...head, honestTarget: { atMost: 0 } }, tally, honest));
      progress(`  ${attack}: ${tally.detected} of ${tally.tries}`);
    }
    setting.notRun('forged or expired attestation', 'attestation is not part of this version');
  },
};
