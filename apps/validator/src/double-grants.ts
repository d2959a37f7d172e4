/** Holds the grants that were seen against the machines' own logs; what convicts a machine is kept, logged and public. */

import { createHash } from 'node:crypto';
import { checkDoubleGrant, suspectDoubleGrant } from '@celium/chain';
import { canonicalJson, DOUBLE_GRANT_FILE_FORM, doubleGrantFileSchema, type DoubleGrantFile } from '@celium/contract';
import type { ManifestDirectory } from './discovery/manifest-directory.ts';
import type { ReadAgentLog } from './network/agent-log.ts';
import type { Report, ValidatorClock } from './ports.ts';
import type { GrantBook } from './state/grant-book.ts';
import type { ReceiptBook } from './state/receipt-book.ts';

export interface DoubleGrantPorts {
  clock: ValidatorClock;
  directory: Pick<ManifestDirectory, 'machines'>;
  grants: GrantBook;
  receipts: Pick<ReceiptBook, 'appendLog'>;
  readLog: ReadAgentLog;
  report: Report;
}

/** Entries at the end of a log that are read: what a machine did since the grants were seen. */
const TAIL_ENTRIES = 500;
/** Beyond the end of every log: the answer has the head and no entries. */
const PAST_THE_END = Number.MAX_SAFE_INTEGER;

/** Examines a few machines of which new grants were seen. A machine whose log cannot be read stays for a later turn. */
export async function findDoubleGrants(ports: DoubleGrantPorts, signal: AbortSignal): Promise<void> {
  const { clock, grants, directory } = ports;
  const known = new Map(directory.machines().map(({ machine }) => [machine.machineKey, machine]));
  for (const machineKey of grants.unexamined(clock.unixMs())) {
    if (signal.aborted) return;
    const nowMs = clock.unixMs();
    const machine = known.get(machineKey);
    const seen = grants.grantsOf(machineKey, nowMs);
    const log = machine === undefined ? null : await readTail(ports, machine);
    const file = { form: DOUBLE_GRANT_FILE_FORM, machineKey, grants: seen, log } as const;
    // What the grants say alone needs no log, and no log that was broken to hide it.
    if (
      convict(ports, { ...file, log: null }, nowMs) ||
      (log !== null && convict(ports, file, nowMs)) ||
      log !== null ||
      machine === undefined
    )
      grants.noteExamined(machineKey, nowMs);
  }
}

async function readTail(
  { readLog }: DoubleGrantPorts,
  machine: Parameters<ReadAgentLog>[0],
): Promise<DoubleGrantFile['log']> {
  const end = await readLog(machine, PAST_THE_END);
  if (end === null || end.height === 0) return null;
  const page = await readLog(machine, Math.max(1, end.height - TAIL_ENTRIES + 1));
  const log = doubleGrantFileSchema.shape.log.safeParse({ head: page?.head, entries: page?.entries });
  return log.success ? log.data : null;
}

function convict({ grants, receipts, report }: DoubleGrantPorts, file: DoubleGrantFile, nowMs: number): boolean {
  const { machineKey } = file;
  if (suspectDoubleGrant(file) === null) return false;
  const checked = checkDoubleGrant(file);
  if (!checked.ok) return false;
  if (grants.evidence(machineKey, nowMs) !== null) return true;
  const { finding } = checked;
  grants.convict(machineKey, file, nowMs);
  const evidenceHash = createHash('sha256').update(canonicalJson(file)).digest('hex');
  receipts.appendLog('double-grant', { machineKey, ...finding, evidenceHash }, nowMs);
  const detail = `two leases at once, or one that its log hides (${finding.proof}): leases ${finding.leaseIds.join(' and ')}`;
  report({ event: 'alarm', code: 'DOUBLE_GRANT', machineKey, unit: finding.unit, detail });
  return true;
}
