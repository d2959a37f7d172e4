/**
 * Content tries: a real challenge at micro size against a strategy, the real audit, the real verdict, and the offline check of that verdict. Each chain is challenged whole once, and
 * then drawn from again with fresh nonces (`redraw.ts`): the same draw, openings, paths and exact digests without the wire.
 */
import {
  auditTranscript,
  type AuditKernels,
  checkClaim,
  type ChallengeResult,
  type ChallengeSizes,
  fromHex,
  judgeChallenge,
  type KernelFactory,
  type ProofBinding,
  type ProofClaim,
  proofParams,
  runChallenge,
  toHex,
  wasmKernels,
} from '@celium/proof';
import { emptyTally, type Tally } from '../family.ts';
import { type RandomStream, randomStream } from '../random.ts';
import type { TrialSlice } from '../threads.ts';
import { virtualClock } from '../virtual-clock.ts';
import { type ResidentDevice, residentDevice } from './device.ts';
import { type MadeChain, residentProver, type Strategy } from './prover.ts';
import { type KnownChain, redraw } from './redraw.ts';

/** Far above what the micro chain needs at a root per millisecond: content tries are never decided by time. */
const DECLARED_RATE = 200;
/** Draws from one chain. */
const DRAWS_PER_CHAIN = 60;
const NONCE_BYTES = 32;

/** What a try leaves behind. */
export interface ContentTry {
  result: ChallengeResult;
  claim: ProofClaim;
  /** CPU of audit and verdict. */
  validatorCpuSeconds: number;
}

/** One chain: who is asked, and what the validator draws before the draw. */
export interface Onboarding {
  strategy: Strategy;
  binding: ProofBinding;
  nonce: Uint8Array;
  startNonce: Uint8Array;
  random: RandomStream;
  made: MadeChain;
  kernels: KernelFactory;
  /** Filled in by the first redraw. */
  known?: KnownChain;
}

let cached: { key: string; device: ResidentDevice } | null = null;

/** The device of this thread: one memory, filled anew for every chain. */
function deviceFor(sizes: ChallengeSizes): ResidentDevice {
  const key = JSON.stringify(sizes);
  if (cached?.key !== key) cached = { key, device: residentDevice(sizes) };
  return cached.device;
}

/** A binding of its own for every chain. */
export function randomBinding(random: RandomStream): ProofBinding {
  const hash = (): string => toHex(random.bytes(NONCE_BYTES));
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

/** What a strategy may know beforehand: more than any real cheat does. */
export interface Foresight {
  binding: ProofBinding;
  nonce: Uint8Array;
  random: RandomStream;
}

/** An onboarding of the machine of this binding. */
export function prepare(
  make: (foresight: Foresight) => Strategy,
  random: RandomStream,
  binding: ProofBinding = randomBinding(random),
): Onboarding {
  const nonce = random.bytes(NONCE_BYTES);
  const startNonce = random.bytes(NONCE_BYTES);
  const strategy = make({ binding, nonce, random });
  return {
    strategy,
    binding,
    nonce,
    startNonce,
    random,
    made: { steps: [], roots: [] },
    kernels: rememberingKernels(),
  };
}

/** The audit's own kernels, which compute an answer once per chain however often it is drawn. */
function rememberingKernels(): KernelFactory {
  const known = new Map<string, Uint8Array>();
  let kernels: AuditKernels | null = null;
  const once = (name: string, q: Uint8Array, compute: () => Uint8Array): Uint8Array => {
    const key = `${name} ${toHex(q)}`;
    const digest = known.get(key) ?? compute();
    known.set(key, digest);
    return digest;
  };
  return (params, seed) => {
    const real = (kernels ??= wasmKernels(params, seed));
    return {
      leafDigest: (q, leaf) => once(`leaf ${leaf}`, q, () => real.leafDigest(q, leaf)),
      tileDigest: (kind, q, tile) => once(`${kind} ${tile}`, q, () => real.tileDigest(kind, q, tile)),
      walkDigests(requests) {
        const asked = requests.map(({ q, walk }) => ({ key: `walk ${walk} ${toHex(q)}`, q, walk }));
        const missing = asked.filter(({ key }) => !known.has(key));
        for (const [i, digest] of real.walkDigests(missing).entries()) known.set(missing[i]!.key, digest);
        return asked.map(({ key }) => known.get(key)!);
      },
    };
  };
}

/** One challenge: everything up to the draw is as in every other try of this chain. */
export async function contentTry(onboarding: Onboarding, draw: RandomStream): Promise<ContentTry> {
  const { strategy, binding, nonce, startNonce, random, made, kernels } = onboarding;
  const clock = virtualClock();
  const early = [nonce, startNonce];
  const result = await runChallenge({
    transport: residentProver(clock, deviceFor, strategy, random, made),
    clock,
    randomBytes: (count) => (count === NONCE_BYTES ? early.shift() : undefined) ?? draw.bytes(count),
    params: proofParams('micro', 'onboarding'),
    binding,
    declaredRateUnitsPerSecond: DECLARED_RATE,
  });
  const before = process.threadCpuUsage();
  const audit = result.failure === null ? auditTranscript(result.transcript, kernels) : null;
  const claim = judgeChallenge({ result, audit, declaredRateUnitsPerSecond: DECLARED_RATE });
  const { user, system } = process.threadCpuUsage(before);
  return { result, claim, validatorCpuSeconds: (user + system) / 1e6 };
}

/** Tries `from` to `to` of one attack. Each chain's first try is a whole challenge, which gives the cost and has to agree with the redraw. */
export async function tallyTries(
  name: string,
  { from, to, seed }: TrialSlice,
  make: (foresight: Foresight) => Strategy,
): Promise<Tally> {
  const tally = emptyTally();
  let onboarding: Onboarding | null = null;
  for (let number = from; number < to; number++) {
    let reason: string;
    if (onboarding === null || number % DRAWS_PER_CHAIN === 0) {
      onboarding = prepare(make, randomStream('chain', name, seed, Math.floor(number / DRAWS_PER_CHAIN)));
      reason = await wholeTry(tally, onboarding, randomStream('draw', name, seed, number));
    } else {
      reason = redraw(onboarding, randomStream('draw', name, seed, number).bytes(NONCE_BYTES));
    }
    tally.tries += 1;
    if (reason !== 'none') tally.detected += 1;
    tally.reasons[reason] = (tally.reasons[reason] ?? 0) + 1;
  }
  return tally;
}

/** The whole challenge of a chain, its cost in the tally, and the same draw once more without the wire. */
async function wholeTry(tally: Tally, onboarding: Onboarding, draw: RandomStream): Promise<string> {
  const { result, claim, validatorCpuSeconds } = await contentTry(onboarding, draw);
  tally.units += 1;
  tally.validatorCpuSeconds += validatorCpuSeconds;
  tally.proofBytes += result.timing.bytesReceived;
  if (!checkClaim(claim, result.transcript).ok) throw new Error('a claim does not follow from its transcript');
  const again = redraw(onboarding, fromHex(result.transcript.auditNonce)!);
  if (again !== claim.reason) throw new Error(`the challenge says ${claim.reason}, the redraw ${again}`);
  return claim.reason;
}
