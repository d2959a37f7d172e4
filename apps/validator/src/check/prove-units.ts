/** The timed part of a check: one SSH login against the grant's host key, one prover per unit, one start for all, our own clock. */

import { documentHash, toHex } from '@celium/chain';
import type { Signed } from '@celium/contract';
import { claimedGpu } from '@celium/domain';
import {
  Barrier,
  chainWorkUnits,
  judgedRate,
  judgeDeadline,
  paramsByName,
  paramsForClaim,
  proverBounds,
  proverShellCommand,
  runChallenge,
  stepCount,
  type ChallengeResult,
  type ProofBinding,
  type ProofParams,
  type Purpose,
} from '@celium/proof';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { ClientKey, LagMeter, RandomBytes, Shell, ShellConnection, ShellPort, ValidatorClock } from '../ports.ts';
import { awaitSecond, type BarrierStart } from './network-barrier.ts';
import { lagExcuses } from './loop-lag.ts';
import { hasRing, PairRing, type PairAnswer } from './pair-ring.ts';
import { NO_HOST_KEY_HASH } from './receipt.ts';

/** What the timed part needs from outside. */
export interface ProvingPorts {
  clock: ValidatorClock;
  randomBytes: RandomBytes;
  shells: ShellPort;
  lag: LagMeter;
  /** A recent finalised block; `hash` with or without 0x. */
  finalizedBlock: () => Promise<{ number: number; hash: string }>;
  /** Words of the command that starts the prover in a pod. */
  proverCommand: readonly string[];
  /** Which size of proof a unit gets, by what its machine calls it (empty where it says nothing). */
  sizeClassOf: (unit: string, claimedModel: string) => string;
  /** Runs that are being timed: whatever else this process has to do waits for them. */
  timing: Set<string>;
}

/** One unit, and which size of proof it gets. */
export interface UnitPlan {
  unit: string;
  purpose: Purpose;
}

/** What came of one unit. */
export type UnitAnswer =
  | { kind: 'answered'; result: ChallengeResult; lagMs: number }
  /** It ended before a challenge began. */
  | { kind: 'no-proof'; code: string; message: string };

/** All units of one run. */
export interface Proving {
  kind: 'done';
  answers: Map<string, UnitAnswer>;
  /** Pairs that were measured, by the unit that led. */
  pairs: Map<string, PairAnswer>;
  /** SHA-256 of the host key that we saw; 64 zeros for none. */
  hostKeyHash: string;
  barrierId: string;
  /** It started at the second of a barrier of the network. */
  networkBarrier: boolean;
  block: { number: number; hash: string };
  startedAtMs: number;
  endedAtMs: number;
}

/** Late, but so little that only our own event loop may have been late; or not ready at the second of a barrier. */
export interface VoidRun {
  kind: 'void';
  message: string;
}

/** Shells over one connection: OpenSSH allows ten. */
const SHELLS_PER_CONNECTION = 8;

/** Runs one challenge on every unit at once, at the second of the barrier `start` if there is one. Rejects only when the chain does not answer. */
export async function proveUnits(
  ports: ProvingPorts,
  known: KnownMachine,
  grant: Signed<'grant'>,
  clientKey: ClientKey,
  plans: readonly UnitPlan[],
  signal: AbortSignal,
  start: BarrierStart | null = null,
): Promise<Proving | VoidRun> {
  const found = await ports.finalizedBlock();
  const block = { number: found.number, hash: found.hash.replace(/^0x/, '').toLowerCase() };
  const startedAtMs = ports.clock.unixMs();
  const barrierId = start?.id ?? toHex(ports.randomBytes(16));
  const { leaseId } = grant.body;
  const ring = ringOf(ports, known, grant, plans);
  const done = (answers: Map<string, UnitAnswer>, hostKeyHash: string): Proving => ({
    kind: 'done',
    answers,
    pairs: ring?.answers ?? new Map(),
    hostKeyHash,
    barrierId,
    networkBarrier: start !== null && !start.missed,
    block,
    startedAtMs,
    endedAtMs: ports.clock.unixMs(),
  });

  const connections: ShellConnection[] = [];
  ports.timing.add(leaseId);
  try {
    for (let from = 0; from < plans.length; from += SHELLS_PER_CONNECTION) {
      const connection = await ports.shells.connect(
        {
          host: known.machine.publicHost,
          port: grant.body.ports.find((mapping) => mapping.pod === 22)?.host ?? 0,
          hostKey: grant.body.hostKey,
          clientKey,
          maxBytes: bytesOf(ports, known, plans.slice(from, from + SHELLS_PER_CONNECTION), ring !== null),
        },
        signal,
      );
      if (!('openShell' in connection)) {
        const mismatch = connection.kind === 'host-key-mismatch';
        const answer: UnitAnswer = mismatch
          ? { kind: 'no-proof', code: 'HOST_KEY_MISMATCH', message: 'the SSH host key is not the one of the grant' }
          : { kind: 'no-proof', code: 'SSH_UNREACHABLE', message: `no shell in the pod: ${connection.message}` };
        const seen = mismatch ? connection.seenHostKeyHash : NO_HOST_KEY_HASH;
        return done(new Map(plans.map((plan) => [plan.unit, answer])), seen);
      }
      connections.push(connection);
    }
    const hostKeyHash = connections[0]?.hostKeyHash ?? NO_HOST_KEY_HASH;
    const bindingOf = (unit: string): ProofBinding => ({
      blockHash: block.hash,
      hotkey: known.hotkeyHex,
      machineKey: known.machine.machineKey,
      grantHash: documentHash(grant),
      hostKeyHash,
      unit,
      barrierId,
    });
    const barrier = new Barrier(plans.length);
    const second = start === null ? null : awaitSecond(ports.clock, start, signal);
    const begin = async (): Promise<void> => {
      await barrier.arrive();
      await second?.();
    };
    const answers = new Map<string, UnitAnswer>();
    await Promise.all(
      plans.map(async (plan, index) => {
        const connection = connections[Math.floor(index / SHELLS_PER_CONNECTION)];
        const run = { known, plan, binding: bindingOf(plan.unit), barrier, begin, ring };
        answers.set(plan.unit, await proveUnit(ports, connection, run, signal));
      }),
    );
    if (start?.missed === true)
      return { kind: 'void', message: 'the units were not ready at the second of the barrier' };
    return stalledRun(answers, rateOf(known)) ?? done(answers, hostKeyHash);
  } finally {
    ports.timing.delete(leaseId);
    for (const connection of connections) connection.close();
  }
}

/** What one connection may take in: all that its provers can have to say, and as much again for SSH around it. */
function bytesOf(ports: ProvingPorts, known: KnownMachine, plans: readonly UnitPlan[], mayPair: boolean): number {
  const params = plans.map((plan) => paramsOfUnit(ports, known, plan.unit, plan.purpose));
  return 2 * params.reduce((sum, one) => sum + proverBounds(one, mayPair).bytes, 0);
}

/** The ring of a run over a whole machine in an announced check; null where it has none to show. In a renter's lease nobody asks for more than the challenge. */
function ringOf(
  ports: ProvingPorts,
  known: KnownMachine,
  grant: Signed<'grant'>,
  plans: readonly UnitPlan[],
): PairRing | null {
  const units = known.machine.units.filter((unit) => plans.some((plan) => plan.unit === unit));
  if (grant.body.kind !== 'verification' || units.length !== known.machine.units.length) return null;
  const purpose = plans[0]!.purpose;
  return hasRing(units, (unit) => paramsOfUnit(ports, known, unit, purpose)) ? new PairRing(ports, units) : null;
}

/** The sizes of one unit's challenge. */
export function paramsOfUnit(
  ports: Pick<ProvingPorts, 'sizeClassOf'>,
  known: KnownMachine,
  unit: string,
  purpose: Purpose,
): ProofParams {
  const { model, memoryBytes } = claimedGpu(known.machine.gpus, unit);
  return paramsForClaim(ports.sizeClassOf(unit, model), purpose, memoryBytes);
}

/** What a machine declares; the floor of the proof applies to it. */
export function rateOf(known: KnownMachine): number {
  return known.machine.declaredWorkPerSecond ?? 0;
}

/** One unit in a run of all. */
interface UnitRun {
  known: KnownMachine;
  plan: UnitPlan;
  binding: ProofBinding;
  barrier: Barrier;
  begin: () => Promise<void>;
  ring: PairRing | null;
}

async function proveUnit(
  ports: ProvingPorts,
  connection: ShellConnection | undefined,
  { known, plan, binding, barrier, begin, ring }: UnitRun,
  signal: AbortSignal,
): Promise<UnitAnswer> {
  let shell: Shell | undefined;
  let arrived = false;
  let joined = false;
  try {
    shell = await connection?.openShell();
    if (shell === undefined) return { kind: 'no-proof', code: 'SSH_UNREACHABLE', message: 'no connection to the pod' };
    shell.write(proverShellCommand(ports.proverCommand));
    const lag = ports.lag.start();
    let lagMs: number | null = null;
    const result = await runChallenge({
      transport: shell,
      clock: ports.clock,
      randomBytes: ports.randomBytes,
      params: paramsOfUnit(ports, known, plan.unit, plan.purpose),
      ...(plan.purpose === 'routine' ? { longParams: paramsOfUnit(ports, known, plan.unit, 'routine-long') } : {}),
      binding,
      declaredRateUnitsPerSecond: rateOf(known),
      beforeStart: () => {
        arrived = true;
        return begin();
      },
      ...(ring === null
        ? {}
        : {
            beforeEnd: (filled) => {
              joined = true;
              lagMs = lag.stop();
              return ring.join(plan.unit, filled);
            },
          }),
      signal,
    });
    return { kind: 'answered', result, lagMs: Math.round(lagMs ?? lag.stop()) };
  } catch (fault) {
    const words = fault instanceof Error ? fault.message : String(fault);
    return { kind: 'no-proof', code: 'SSH_UNREACHABLE', message: `no shell in the pod: ${words}` };
  } finally {
    if (!arrived) barrier.leave();
    if (!joined) ring?.leave();
    shell?.close();
  }
}

/** A run is void when a unit was late by no more than what our own event loop stalled. */
function stalledRun(answers: ReadonlyMap<string, UnitAnswer>, rateUnitsPerSecond: number): VoidRun | null {
  for (const [unit, answer] of answers) {
    if (answer.kind !== 'answered') continue;
    const lateByMs = lateBy(answer.result, rateUnitsPerSecond);
    if (lateByMs === null || !lagExcuses(lateByMs, answer.lagMs)) continue;
    return {
      kind: 'void',
      message: `${unit} was late by ${Math.round(lateByMs)} ms while our event loop stalled for ${answer.lagMs} ms`,
    };
  }
  return null;
}

/**
 * By how many milliseconds a challenge was late; null when it was not, or failed otherwise. Roots that had not come when the last moment was
 * over count as late by what they take at the slowest pace that is allowed.
 */
function lateBy({ failure, timing, transcript }: ChallengeResult, rateUnitsPerSecond: number): number | null {
  const params = paramsByName(transcript.params);
  if (params === null || (failure !== null && failure.code !== 'late')) return null;
  const { limitMs } = judgeDeadline({
    elapsedMs: 0,
    workUnits: chainWorkUnits(params),
    rateUnitsPerSecond: judgedRate(params, rateUnitsPerSecond),
    rttMinMs: timing.rttMinMs ?? 0,
  });
  const missing = 1 - timing.rootArrivalsMs.length / stepCount(params);
  const overMs = (timing.elapsedMs ?? limitMs) - limitMs;
  if (missing > 0) return Math.max(overMs, missing * limitMs);
  return overMs > 0 ? overMs : null;
}
