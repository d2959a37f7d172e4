/** Audits on worker threads, so that the event loop which reads the clock stays idle. A worker that dies fails its own job only. */

import { Worker } from 'node:worker_threads';
import type { AuditOutcome, PairAudit, PairTranscript, ProofTranscript } from '@celium/proof';
import type { AuditorPort } from '../ports.ts';
import type { AuditJob } from './worker.ts';

/** The longest that one audit may take, and the most that may wait. */
const AUDIT_TIMEOUT_MS = 120_000;
const MAX_WAITING = 10_000;

/** What a thread answers: the outcome is that of the kind that was asked for. */
interface Audited {
  outcome: AuditOutcome | PairAudit;
  cpuSeconds: number;
}

interface Job {
  id: number;
  ask: AuditJob;
  resolve(answer: Audited): void;
  reject(fault: Error): void;
}

interface Slot {
  worker: Worker | null;
  job: Job | null;
  timer: NodeJS.Timeout | undefined;
}

/** A pool of at most `threads` workers, started when they are first needed. */
export class AuditPool implements AuditorPort {
  readonly #slots: Slot[];
  readonly #waiting: Job[] = [];
  #nextId = 1;
  #closed = false;

  constructor(threads: number) {
    this.#slots = Array.from({ length: threads }, () => ({ worker: null, job: null, timer: undefined }));
  }

  audit(transcript: ProofTranscript): Promise<{ outcome: AuditOutcome; cpuSeconds: number }> {
    return this.#ask({ transcript }) as Promise<{ outcome: AuditOutcome; cpuSeconds: number }>;
  }

  auditPair(pair: PairTranscript): Promise<{ outcome: PairAudit; cpuSeconds: number }> {
    return this.#ask({ pair }) as Promise<{ outcome: PairAudit; cpuSeconds: number }>;
  }

  #ask(ask: AuditJob): Promise<Audited> {
    if (this.#closed) return Promise.reject(new Error('the audit pool is closed'));
    if (this.#waiting.length >= MAX_WAITING) return Promise.reject(new Error(`more than ${MAX_WAITING} audits wait`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id: this.#nextId++, ask, resolve, reject });
      this.#assign();
    });
  }

  /** Audits that wait for a thread. */
  get backlog(): number {
    return this.#waiting.length;
  }

  /** Ends all threads; audits under way are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) job.reject(new Error('the audit pool is closed'));
    await Promise.all(this.#slots.map((slot) => this.#drop(slot, new Error('the audit pool is closed'))));
  }

  #assign(): void {
    for (const slot of this.#slots) {
      if (slot.job !== null) continue;
      const job = this.#waiting.shift();
      if (job === undefined) return;
      slot.job = job;
      slot.worker ??= this.#startWorker(slot);
      slot.timer = setTimeout(
        () => void this.#drop(slot, new Error(`an audit took longer than ${AUDIT_TIMEOUT_MS} ms`)),
        AUDIT_TIMEOUT_MS,
      );
      try {
        slot.worker.postMessage({ id: job.id, ask: job.ask });
      } catch (cause) {
        void this.#drop(slot, new Error('a transcript is no plain data', { cause }));
      }
    }
  }

  #startWorker(slot: Slot): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url));
    worker.unref();
    worker.on('message', (answer: Audited & { id: number }) => {
      if (slot.worker !== worker || slot.job?.id !== answer.id) return;
      clearTimeout(slot.timer);
      const { job } = slot;
      slot.job = null;
      job.resolve({ outcome: answer.outcome, cpuSeconds: answer.cpuSeconds });
      this.#assign();
    });
    worker.on('error', (fault) => {
      if (slot.worker === worker) void this.#drop(slot, fault instanceof Error ? fault : new Error(String(fault)));
    });
    worker.on('exit', (status) => {
      if (slot.worker === worker) void this.#drop(slot, new Error(`an audit thread ended with status ${status}`));
    });
    return worker;
  }

  async #drop(slot: Slot, fault: Error): Promise<void> {
    const { worker, job } = slot;
    clearTimeout(slot.timer);
    slot.worker = null;
    slot.job = null;
    job?.reject(fault);
    await worker?.terminate();
    if (!this.#closed) this.#assign();
  }
}
