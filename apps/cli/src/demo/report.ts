/** What a demo has measured: the one object that `--once --json` ends with, and the same in words. */

import { formatDuration, formatUsd } from '../output/format.ts';
import { formatFields } from '../output/table.ts';

/** One step of the demo and how long it took. */
export interface DemoStep {
  name: string;
  ms: number;
  detail: string;
}

export interface DemoReport {
  /** Every promise below was kept. */
  ok: boolean;
  /** Promises that were not kept, in words. */
  broken: string[];
  /** What the proof measured, not what the machine said. */
  verifiedClass: string;
  proofSeconds: number;
  auditCpuSeconds: number;
  /** From the rent request to "running", and to the end of the first `ssh ... true`. */
  rentToReadyMs: number;
  rentToSshMs: number;
  /** The same container by the bare Engine API, and the same login. */
  floorSshMs: number;
  commandOutput: string;
  /** What the bill says. */
  billedSeconds: number;
  /** From the first key exchange to Docker's `die`, seen by the demo on its own. */
  groundTruthSeconds: number;
  chargedMicroUsd: number;
  providerMicroUsd: number;
  feeMicroUsd: number;
  /** Sum of all ledger entries of the market, in micro-dollars. */
  ledgerSum: number;
  /** Containers of this machine that were still there at the end. */
  containersLeft: number;
  steps: DemoStep[];
}

/** The furthest that the bill may be from the truth, in seconds. */
const BILLING_TOLERANCE_SECONDS = 1;

/** The promises that a report breaks, in words; empty when all is as it should be. */
export function brokenPromises(report: Omit<DemoReport, 'ok' | 'broken'>): string[] {
  const broken: string[] = [];
  const offSeconds = Math.abs(report.billedSeconds - report.groundTruthSeconds);
  if (offSeconds > BILLING_TOLERANCE_SECONDS) {
    broken.push(`billed ${report.billedSeconds} s, but the pod lived ${report.groundTruthSeconds.toFixed(3)} s`);
  }
  if (report.ledgerSum !== 0) broken.push(`the ledger sums to ${report.ledgerSum} micro-dollars instead of 0`);
  if (report.chargedMicroUsd !== report.providerMicroUsd + report.feeMicroUsd) {
    broken.push('what was charged is not what provider and fee got');
  }
  if (report.containersLeft !== 0) broken.push(`${report.containersLeft} containers were left`);
  return broken;
}

/** The report for a person. */
export function describeReport(report: DemoReport): string {
  const ratio =
    report.floorSshMs > 0 ? ` (${(report.rentToSshMs / report.floorSshMs).toFixed(2)} times the floor)` : '';
  return formatFields([
    ['verified as', `${report.verifiedClass}, by a proof of ${report.proofSeconds.toFixed(1)} s`],
    ['audit', `${report.auditCpuSeconds.toFixed(2)} CPU-seconds of the validator`],
    ['rent to ready', formatDuration(report.rentToReadyMs)],
    ['rent to ssh', `${formatDuration(report.rentToSshMs)}${ratio}`],
    ['floor', `${formatDuration(report.floorSshMs)}: bare Engine API and the same ssh`],
    ['the pod said', report.commandOutput],
    ['billed', `${report.billedSeconds} s`],
    ['it lived', `${report.groundTruthSeconds.toFixed(3)} s, first key exchange to Docker's "die"`],
    ['charged', formatUsd(BigInt(report.chargedMicroUsd))],
    ['  to the provider', formatUsd(BigInt(report.providerMicroUsd))],
    ['  fee', formatUsd(BigInt(report.feeMicroUsd))],
    ['ledger sum', formatUsd(BigInt(report.ledgerSum))],
    ['containers left', String(report.containersLeft)],
  ]);
}
