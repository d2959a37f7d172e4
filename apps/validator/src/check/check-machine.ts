/** One check of one machine, from lease to signed receipts: everything it needs comes as arguments, and what it leased is always stopped. */

import type { Signed } from '@celium/contract';
import { isOnboarding, RECEIPT_VALID_MS } from '@celium/domain';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { ClientKey } from '../ports.ts';
import type { MarketAddress, ReceiptBook } from '../state/receipt-book.ts';
import type { BarrierStart } from './network-barrier.ts';
import { judgeUnit, type JudgingPorts, type UnitReport } from './judge-unit.ts';
import { giveUpLease, takeLease, waitForReady, type LeasePorts, type LeaseResult } from './lease.ts';
import { proveUnits, type Proving, type ProvingPorts, type UnitPlan, type VoidRun } from './prove-units.ts';
import { NO_HOST_KEY_HASH } from './receipt.ts';

/** What a check needs from outside. */
export interface CheckPorts extends LeasePorts, ProvingPorts, JudgingPorts {
  receipts: ReceiptBook;
  /** Markets that get every receipt, besides those of the machine's manifest. */
  markets: readonly MarketAddress[];
}

/** How a visit to a machine ended. */
export type CheckReport =
  | { kind: 'checked'; units: UnitReport[] }
  /** No receipt: nothing was learnt about the machine's proof. */
  | { kind: 'busy' | 'refused' | 'unreachable' | 'void' | 'given-up'; code: string; message: string; units: string[] };

/** Markets of a manifest that get its receipts: whoever lists more cannot make us knock on all of their doors. */
const MAX_MANIFEST_MARKETS = 8;

/** How often a run is made at most when each was late only because our own event loop stalled. */
const MAX_RUNS = 3;

/** Checks the given units of a machine at once, as far as they are free, and at the second of a barrier when `start` names one. Rejects only for faults of our own (disk, chain, audit threads). */
export async function checkMachine(
  ports: CheckPorts,
  known: KnownMachine,
  units: readonly string[],
  signal: AbortSignal,
  start: BarrierStart | null = null,
): Promise<CheckReport> {
  const clientKey = ports.shells.newClientKey();
  const { lease, leased } = await leaseFreeUnits(ports, known, units, clientKey.publicLine);
  if (lease.kind !== 'leased') return unleased(lease, [...units]);
  const { grant, requestId } = lease;
  const plans = planUnits(ports, known, grant.body.units);
  let run: Proving | VoidRun | CheckReport;
  try {
    run = await runInPod(ports, known, grant, clientKey, plans, signal, start);
  } finally {
    await giveUpLease(ports, requestId);
  }
  if (signal.aborted) return noVerdict('given-up', 'ABORTED', 'the validator is stopping', grant);
  ports.crash('validator.challenge.answered');
  if (run.kind === 'void') return noVerdict('void', 'VALIDATOR_STALLED', run.message, grant);
  if (run.kind !== 'done') return run;
  return { kind: 'checked', units: await writeReceipts(ports, known, grant, leased, plans, run) };
}

type NoVerdict = Exclude<CheckReport, { kind: 'checked' }>;

function noVerdict(kind: NoVerdict['kind'], code: string, message: string, grant: Signed<'grant'>): NoVerdict {
  return { kind, code, message, units: grant.body.units };
}

function unleased(answer: Exclude<LeaseResult, { kind: 'leased' }>, units: string[]): NoVerdict {
  if (answer.kind === 'busy') {
    // Without a good grant to show, "busy" is only a word: the machine gets no receipt either way, and the line says which it was.
    const code = answer.grant === null ? 'BUSY_UNPROVEN' : 'UNITS_BUSY';
    return { kind: 'busy', code, message: answer.message, units };
  }
  return { ...answer, units };
}

/** A lease of the units, or, where others hold some of them by good grants, of the rest; `leased` is how many others hold. */
async function leaseFreeUnits(
  ports: CheckPorts,
  known: KnownMachine,
  wanted: readonly string[],
  sshKey: string,
): Promise<{ lease: LeaseResult; leased: number }> {
  let units = wanted;
  // Every busy answer takes at least one unit away, so this ends.
  for (;;) {
    const lease = await takeLease(ports, known.machine, units, sshKey);
    const held = lease.kind === 'busy' && lease.grant !== null ? lease.units : [];
    const rest = units.filter((unit) => !held.includes(unit));
    if (rest.length === 0 || rest.length === units.length) return { lease, leased: wanted.length - units.length };
    units = rest;
  }
}

function planUnits(ports: CheckPorts, known: KnownMachine, units: readonly string[]): UnitPlan[] {
  const verdicts = ports.receipts.verdicts(known.machine.machineKey, 64 * known.machine.units.length);
  const nowMs = ports.clock.unixMs();
  return units.map((unit) => {
    const own = verdicts.filter((verdict) => verdict.unit === unit);
    return { unit, purpose: isOnboarding(own, nowMs, RECEIPT_VALID_MS) ? 'onboarding' : 'routine' };
  });
}

/** Waits for the pod and proves in it. A run that our own stall made late is repeated, and one that missed the barrier is made alone. */
async function runInPod(
  ports: CheckPorts,
  known: KnownMachine,
  grant: Signed<'grant'>,
  clientKey: ClientKey,
  plans: readonly UnitPlan[],
  signal: AbortSignal,
  start: BarrierStart | null,
): Promise<Proving | VoidRun | NoVerdict> {
  const startedAtMs = ports.clock.unixMs();
  const ready = await waitForReady(ports, known.machine, grant.body.leaseId, signal);
  if (ready.kind !== 'ready') {
    if (ready.lease === null) return noVerdict('unreachable', 'AGENT_UNAVAILABLE', ready.message, grant);
    const answer = { kind: 'no-proof', code: 'POD_START_FAILED', message: ready.message } as const;
    const block = await ports.finalizedBlock();
    return {
      kind: 'done',
      answers: new Map(plans.map((plan) => [plan.unit, answer])),
      pairs: new Map(),
      hostKeyHash: NO_HOST_KEY_HASH,
      barrierId: '',
      networkBarrier: false,
      block: { number: block.number, hash: block.hash.replace(/^0x/, '') },
      startedAtMs,
      endedAtMs: ports.clock.unixMs(),
    };
  }
  let run = await proveUnits(ports, known, grant, clientKey, plans, signal, start);
  for (let runs = 1; run.kind === 'void' && runs < MAX_RUNS && !signal.aborted; runs += 1)
    run = await proveUnits(ports, known, grant, clientKey, plans, signal);
  return run;
}

/** Judges every unit and stores its receipt with its transcript, log entry and outbox. */
async function writeReceipts(
  ports: CheckPorts,
  known: KnownMachine,
  grant: Signed<'grant'>,
  leased: number,
  plans: readonly UnitPlan[],
  proving: Proving,
): Promise<UnitReport[]> {
  const markets = marketsOf(known, ports.markets);
  return Promise.all(
    plans.map(async (plan) => {
      const judged = await judgeUnit(ports, { known, grant, leased, tested: plans.length }, plan, proving);
      ports.receipts.add(judged.receipt, grant, markets, ports.clock.unixMs());
      ports.crash('validator.receipt.logged');
      for (const hash of ports.receipts.releaseTranscripts(judged.receipt)) ports.transcripts.remove(hash);
      return judged;
    }),
  );
}

/** Our own markets first: their keys are asked of them and not taken from a manifest. One address counts once. */
export function marketsOf(known: KnownMachine, own: readonly MarketAddress[]): MarketAddress[] {
  const byUrl = new Map<string, MarketAddress>();
  for (const { url, key } of [...own, ...known.machine.markets.slice(0, MAX_MANIFEST_MARKETS)]) {
    const bare = url.replace(/\/+$/, '');
    if (!byUrl.has(bare)) byUrl.set(bare, { url: bare, key });
  }
  return [...byUrl.values()];
}
