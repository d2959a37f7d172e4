/** One thread of the audit pool: recomputes what it is given and says what that cost in CPU time. */

import { parentPort } from 'node:worker_threads';
import { auditPair, auditTranscript, type PairTranscript, type ProofTranscript } from '@celium/proof';

/** One audit, of a unit or of a pair. */
export type AuditJob = { transcript: ProofTranscript } | { pair: PairTranscript };

parentPort?.on('message', (job: { id: number; ask: AuditJob }) => {
  const before = process.threadCpuUsage();
  const outcome = 'pair' in job.ask ? auditPair(job.ask.pair) : auditTranscript(job.ask.transcript);
  const used = process.threadCpuUsage(before);
  parentPort?.postMessage({ id: job.id, outcome, cpuSeconds: (used.user + used.system) / 1e6 });
});
