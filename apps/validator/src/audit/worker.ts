/** One thread of the audit pool: recomputes what it is given and says what that cost in CPU time. */

import { parentPort } from 'node:worker_threads';
import { auditTranscript, type ProofTranscript } from '@celium/proof';

parentPort?.on('message', (job: { id: number; transcript: ProofTranscript }) => {
  const before = process.threadCpuUsage();
  const outcome = auditTranscript(job.transcript);
  const used = process.threadCpuUsage(before);
  parentPort?.postMessage({ id: job.id, outcome, cpuSeconds: (used.user + used.system) / 1e6 });
});
