/** What is said of a check: one line per receipt, or one for a visit without any. */

import type { Receipt } from '@celium/contract';
import { classifyMachine, linkOfMachine, type MachineClass, type MachineLink, type PairedUnit } from '@celium/domain';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { CheckReport } from './check-machine.ts';

/** The lines of one visit. */
export function linesOfCheck(
  known: KnownMachine,
  outcome: CheckReport,
  checkMs: number,
): Array<Record<string, unknown>> {
  const { machineId, machineKey } = known.machine;
  const line = { event: 'check', machineId, machineKey, hotkey: known.hotkey };
  if (outcome.kind !== 'checked') {
    const reason = { code: outcome.code, message: outcome.message };
    return [{ ...line, verdict: outcome.kind, units: outcome.units, reason, checkMs }];
  }
  const together = machineClassOf(
    known,
    outcome.units.map(({ receipt }) => receipt.body),
  );
  return outcome.units.map(({ receipt, auditCpuSeconds, lagMs }) => ({
    ...line,
    ...factsOf(receipt.body),
    ...(together === null ? {} : { together }),
    auditCpuSeconds,
    lagMs,
    checkMs,
  }));
}

/** A receipt as the rule of linked machines reads it. */
function pairedUnitOf({ unit, measured, barrierId, verdict, pair }: Receipt): PairedUnit {
  return {
    unit,
    class: measured.class,
    barrierId,
    passed: verdict === 'pass',
    pair:
      pair === undefined
        ? null
        : { peer: pair.peer, passed: pair.verdict === 'pass', bytesPerSecond: pair.bytesPerSecond },
  };
}

/** What a machine with several GPUs is worth together: said only where all of its units passed at once. */
function machineClassOf({ machine }: KnownMachine, receipts: readonly Receipt[]): (MachineClass & MachineLink) | null {
  if (receipts.length < 2 || receipts.length !== machine.units.length) return null;
  const units = receipts.map(pairedUnitOf);
  const machineClass = classifyMachine(units);
  return machineClass === null ? null : { ...machineClass, ...linkOfMachine(units) };
}

function factsOf(receipt: Receipt): Record<string, unknown> {
  return {
    receiptId: receipt.receiptId,
    unit: receipt.unit,
    verdict: receipt.verdict,
    class: receipt.measured.class,
    reason: receipt.reason,
    proofMs: receipt.measured.proofMs,
    deadlineMs: receipt.measured.deadlineMs,
    rttMs: receipt.measured.rttMs,
    workPerSecond: receipt.measured.workPerSecond,
    onboarding: receipt.onboarding,
    tested: receipt.tested,
    leased: receipt.leased,
  };
}
