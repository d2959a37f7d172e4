/** One content try: a real challenge at micro size against a strategy, the real audit, the real verdict, and the offline check of that verdict. */
import {
  auditTranscript,
  checkClaim,
  type ChallengeResult,
  type ChallengeSizes,
  judgeChallenge,
  type ProofBinding,
  type ProofClaim,
  proofParams,
  runChallenge,
  toHex,
} from '@celium/proof';
import { emptyTally, type Tally } from '../family.ts';
import { type RandomStream, randomStream } from '../random.ts';
import { virtualClock } from '../virtual-clock.ts';
import { type ResidentDevice, residentDevice } from './device.ts';
import { residentProver, type Strategy } from './prover.ts';

/** Far above what the micro chain needs at a root per millisecond: content tries are never decided by time. */
const DECLARED_RATE = 200;

/** What a try leaves behind. */
export interface ContentTry {
  result: ChallengeResult;
  claim: ProofClaim;
  /** CPU of audit and verdict. */
  validatorCpuSeconds: number;
}

let cached: { key: string; device: ResidentDevice } | null = null;

/** The device of this thread: one memory, filled anew for every challenge. */
function deviceFor(sizes: ChallengeSizes): ResidentDevice {
  const key = JSON.stringify(sizes);
  if (cached?.key !== key) cached = { key, device: residentDevice(sizes) };
  return cached.device;
}

/** A binding of its own for every try. */
export function randomBinding(random: RandomStream): ProofBinding {
  const hash = (): string => toHex(random.bytes(32));
  return {
    blockHash: hash(),
    hotkey: hash(),
    machineKey: hash(),
    grantHash: hash(),
    hostKeyHash: hash(),
    unit: 'cpu:machine-1',
    barrierId: hash(),
  };
}

/** One onboarding at micro size. */
export async function contentTry(
  strategy: Strategy,
  random: RandomStream,
  binding: ProofBinding = randomBinding(random),
): Promise<ContentTry> {
  const clock = virtualClock();
  const result = await runChallenge({
    transport: residentProver(clock, deviceFor, strategy, random),
    clock,
    randomBytes: (count) => random.bytes(count),
    params: proofParams('micro', 'onboarding'),
    binding,
    declaredRateUnitsPerSecond: DECLARED_RATE,
  });
  const before = process.threadCpuUsage();
  const audit = result.failure === null ? auditTranscript(result.transcript) : null;
  const claim = judgeChallenge({ result, audit, declaredRateUnitsPerSecond: DECLARED_RATE });
  const { user, system } = process.threadCpuUsage(before);
  return { result, claim, validatorCpuSeconds: (user + system) / 1e6 };
}

/** Tries `from` to `to` of one attack, each with its own random stream. */
export async function tallyTries(
  name: string,
  { from, to, seed }: { from: number; to: number; seed: number },
  one: (random: RandomStream) => Promise<ContentTry>,
): Promise<Tally> {
  const tally = emptyTally();
  for (let number = from; number < to; number++) {
    const { result, claim, validatorCpuSeconds } = await one(randomStream('content', name, seed, number));
    tally.tries += 1;
    tally.units += 1;
    tally.validatorCpuSeconds += validatorCpuSeconds;
    tally.proofBytes += result.timing.bytesReceived;
    if (claim.verdict === 'pass' && !checkClaim(claim, result.transcript).ok)
      throw new Error('a pass does not follow from its transcript');
    if (claim.verdict === 'fail') tally.detected += 1;
    tally.reasons[claim.reason] = (tally.reasons[claim.reason] ?? 0) + 1;
  }
  return tally;
}
