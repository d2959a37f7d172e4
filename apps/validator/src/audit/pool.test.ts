/** Audits run on threads of their own, say what they cost, and one that cannot be done fails alone. */

import type { ProofTranscript } from '@celium/proof';
import { afterEach, expect, test } from 'vitest';
import { checkMachine } from '../check/check-machine.ts';
import { openCheckBench } from '../testing/check-bench.ts';
import { AuditPool } from './pool.ts';

let pool: AuditPool;
afterEach(() => pool.close());

test('audits of several units run side by side and give the verdict of the plain call', async () => {
  pool = new AuditPool(2);
  const bench = openCheckBench({ units: ['GPU-00000001-aaaa', 'GPU-00000002-bbbb', 'GPU-00000003-cccc'] });
  const ports = { ...bench.ports, auditor: pool };
  const report = await checkMachine(ports, bench.known, bench.known.machine.units, new AbortController().signal);
  bench.close();
  if (report.kind !== 'checked') throw new Error(report.message);
  expect(report.units.map((unit) => unit.receipt.body.verdict)).toEqual(['pass', 'pass', 'pass']);
  for (const unit of report.units) expect(unit.auditCpuSeconds).toBeGreaterThan(0);
});

test('a transcript that nobody can audit is refused, and the pool goes on', async () => {
  pool = new AuditPool(1);
  const { outcome } = await pool.audit({ version: 'none' } as unknown as ProofTranscript);
  expect(outcome).toMatchObject({ ok: false, failure: { code: 'malformed' } });
  const unclonable = { version: () => {} } as unknown as ProofTranscript;
  await expect(pool.audit(unclonable)).rejects.toThrow('no plain data');
  expect((await pool.audit({} as ProofTranscript)).outcome.ok).toBe(false);
});

test('a pool that is closed rejects what waits and what comes', async () => {
  pool = new AuditPool(1);
  const waiting = [pool.audit({} as ProofTranscript), pool.audit({} as ProofTranscript)];
  const ends = Promise.allSettled(waiting);
  await pool.close();
  expect((await ends).map((end) => end.status)).toEqual(['rejected', 'rejected']);
  await expect(pool.audit({} as ProofTranscript)).rejects.toThrow('closed');
});
