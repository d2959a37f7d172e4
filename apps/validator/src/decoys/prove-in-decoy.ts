/** The challenge in a decoy's pod: the same as in any check, over logins of a person, repeated only where lateness alone speaks against a machine. */

import type { Signed } from '@celium/contract';
import { judgeTries, type DecoyTry } from '@celium/domain';
import { judgeUnit, type JudgingPorts, type UnitReport } from '../check/judge-unit.ts';
import { proveUnits, type Proving, type ProvingPorts, type UnitPlan } from '../check/prove-units.ts';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { Shell, ShellConnection, ShellFault, ShellPort } from '../ports.ts';
import { hashOfHostKeyLine } from '../shell/ssh-shell.ts';
import type { TerminalShell } from './terminal-login.ts';

/** What the proof needs from outside; the shells are those of the decoy. */
export interface DecoyProvingPorts extends Omit<ProvingPorts, 'shells'>, JudgingPorts {}

/** A pod in which a person is logged in. */
export interface DecoyPod {
  known: KnownMachine;
  grant: Signed<'grant'>;
  first: TerminalShell | ShellFault;
  /** Opens another window. */
  next: () => Promise<TerminalShell | ShellFault>;
}

/** What came of it. */
export interface DecoyProof {
  /** `CHECKED`, or why there is no verdict. */
  outcome: string;
  message: string;
  receipts: Array<Signed<'receipt'>>;
}

/** Codes of receipts that say "too late" or "nothing came"; all others are answers that are wrong. */
const LATE_CODES = new Set([
  'late',
  'not-started',
  'no-probe-reply',
  'not-filled',
  'not-opened',
  'closed',
  'SSH_UNREACHABLE',
]);
/** A run that our own stall made void is made again, within these. */
const MAX_RUNS = 5;

/** Proves every unit of the grant and judges the tries. */
export async function proveInDecoy(ports: DecoyProvingPorts, pod: DecoyPod, signal: AbortSignal): Promise<DecoyProof> {
  const { grant, known } = pod;
  const plans: UnitPlan[] = grant.body.units.map((unit) => ({ unit, purpose: 'onboarding' }));
  const tries = new Map<string, UnitReport[]>(plans.map(({ unit }) => [unit, []]));
  let first: TerminalShell | ShellFault | null = pod.first;
  for (let runs = 0; runs < MAX_RUNS; runs += 1) {
    const shells = shellsOf(grant, first, pod.next);
    first = null;
    const none = { publicLine: '', privateKey: '' };
    const run = await proveUnits({ ...ports, shells }, known, grant, none, plans, signal);
    if (signal.aborted) return { outcome: 'ABORTED', message: 'the validator is stopping', receipts: [] };
    if (run.kind === 'void') continue;
    await judgeRun(ports, pod, plans, run, tries);
    if (plans.every(({ unit }) => verdictOf(tries, unit) !== 'again')) break;
  }
  const receipts = plans.flatMap(({ unit }) => decidingTry(ports, tries.get(unit) ?? [], verdictOf(tries, unit)));
  if (receipts.length === 0) return { outcome: 'VOID', message: 'no run was good enough for a verdict', receipts };
  return { outcome: 'CHECKED', message: '', receipts };
}

async function judgeRun(
  ports: DecoyProvingPorts,
  { known, grant }: DecoyPod,
  plans: readonly UnitPlan[],
  run: Proving,
  tries: ReadonlyMap<string, UnitReport[]>,
): Promise<void> {
  const lease = { known, grant, tested: plans.length, leased: 0 };
  const reports = await Promise.all(plans.map((plan) => judgeUnit(ports, lease, plan, run)));
  for (const report of reports) tries.get(report.receipt.body.unit)?.push(report);
}

function verdictOf(tries: ReadonlyMap<string, UnitReport[]>, unit: string): 'pass' | 'fail' | 'again' {
  return judgeTries((tries.get(unit) ?? []).map(({ receipt }) => tryOf(receipt)));
}

function tryOf({ body }: Signed<'receipt'>): DecoyTry {
  if (body.verdict === 'pass') return 'right';
  return LATE_CODES.has(body.reason.code) ? 'late' : 'wrong';
}

/** The newest try that has the verdict; the transcripts of the others are not kept. */
function decidingTry(
  { transcripts }: DecoyProvingPorts,
  reports: readonly UnitReport[],
  verdict: 'pass' | 'fail' | 'again',
): Array<Signed<'receipt'>> {
  const deciding = reports.findLast(({ receipt }) => receipt.body.verdict === verdict);
  for (const { receipt } of reports) if (receipt !== deciding?.receipt) transcripts.remove(receipt.body.transcriptHash);
  return deciding === undefined ? [] : [deciding.receipt];
}

/** Windows of one person as the shells of a check. OpenSSH itself has compared the host key: any other ends the login. */
function shellsOf(grant: Signed<'grant'>, first: TerminalShell | ShellFault | null, next: DecoyPod['next']): ShellPort {
  const open: Shell[] = [];
  let waiting = first;
  const connection: ShellConnection = {
    hostKeyHash: hashOfHostKeyLine(grant.body.hostKey),
    async openShell() {
      const shell = waiting ?? (await next());
      waiting = null;
      if (!('onData' in shell)) throw new Error(wordsOf(shell));
      open.push(shell);
      return shell;
    },
    close: () => open.forEach((shell) => shell.close()),
  };
  return {
    newClientKey: () => ({ publicLine: '', privateKey: '' }),
    connect: async () => {
      if (waiting === null) waiting = await next();
      return 'onData' in waiting ? connection : waiting;
    },
  };
}

function wordsOf(fault: ShellFault): string {
  return fault.kind === 'unreachable' ? fault.message : 'the SSH host key is not the one of the grant';
}
