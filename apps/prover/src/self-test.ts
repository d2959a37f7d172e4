/** The machine's own measure: one round of the CPU challenge, checked against plain JavaScript, and the rate that follows. */
import { randomBytes } from 'node:crypto';
import {
  chainWorkUnits,
  DIGEST_BYTES,
  plainKernels,
  proofParams,
  type ProofParams,
  type StepKind,
  toHex,
} from '@celium/proof';
import type { DigestSource } from './device.ts';

/** The share of the measured rate that a machine declares: a host that is busy for a while still passes. Speed is no identity on a CPU. */
export const DECLARED_SHARE = 0.4;

/** What `--self-test --json` prints. Rates are work units of `cgp1/params` per second. */
export interface SelfTestReport {
  /** Whether every answer that was checked equals the plain JavaScript one. */
  ok: boolean;
  device: string;
  threads: number;
  /** Median over the measured rounds. */
  rateUnitsPerSecond: number;
  /** What to declare: 0.4 of the slowest round. */
  declaredRateUnitsPerSecond: number;
  selfTestMs: number;
}

const WARM_UP_ROUNDS = 1;
const MEASURED_ROUNDS = 3;

/** Runs the self-test on a device with `threads` threads. */
export async function runSelfTest(source: DigestSource, threads: number): Promise<SelfTestReport> {
  const startedAtMs = performance.now();
  const params: ProofParams = { ...proofParams('cpu-demo', 'onboarding'), rounds: 1 };
  const seed = randomBytes(32);
  await source.fill(params, seed);
  const rates: number[] = [];
  const q = randomBytes(32);
  const answers = new Map<StepKind, Uint8Array>();
  for (let round = 0; round < WARM_UP_ROUNDS + MEASURED_ROUNDS; round++) {
    const roundAtMs = performance.now();
    for (const kind of params.pattern) answers.set(kind, await source.digests(kind, q));
    const roundMs = performance.now() - roundAtMs;
    if (round >= WARM_UP_ROUNDS) rates.push((chainWorkUnits(params) * 1000) / roundMs);
  }
  rates.sort((a, b) => a - b);
  return {
    ok: answersAreExact(params, seed, q, answers),
    device: source.name,
    threads,
    rateUnitsPerSecond: Math.floor(rates[rates.length >> 1]!),
    declaredRateUnitsPerSecond: Math.floor(rates[0]! * DECLARED_SHARE),
    selfTestMs: Math.round(performance.now() - startedAtMs),
  };
}

/** One answer of each kind, the last of its step, against plain JavaScript. */
function answersAreExact(
  params: ProofParams,
  seed: Uint8Array,
  q: Uint8Array,
  answers: ReadonlyMap<StepKind, Uint8Array>,
): boolean {
  const kernels = plainKernels(params, seed);
  return [...answers].every(([kind, digests]) => {
    const last = digests.length / DIGEST_BYTES - 1;
    const claimed = toHex(digests.subarray(last * DIGEST_BYTES));
    if (kind === 'sweep') return claimed === toHex(kernels.leafDigest(q, last));
    if (kind === 'walk') return claimed === toHex(kernels.walkDigests([{ q, walk: last }])[0]!);
    return claimed === toHex(kernels.tileDigest(kind, q, last));
  });
}
