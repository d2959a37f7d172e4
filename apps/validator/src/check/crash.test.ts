/** A validator that dies at any of its crash points leaves no unit leased and no receipt half-made, once it is started again. */

import { rmSync } from 'node:fs';
import type { CrashPoint } from '@celium/contract';
import { expect, test } from 'vitest';
import { openCheckBench } from '../testing/check-bench.ts';
import { checkMachine } from './check-machine.ts';
import { sweepLeases } from './lease.ts';

class Died extends Error {}

/** What is left after dying at a point: leases at the agent before the restart, receipts and log entries after it. */
const POINTS: Array<[CrashPoint, { leased: number; receipts: number }]> = [
  ['validator.lease.requested', { leased: 1, receipts: 0 }],
  ['validator.lease.granted', { leased: 1, receipts: 0 }],
  ['validator.challenge.answered', { leased: 0, receipts: 0 }],
  ['validator.receipt.logged', { leased: 0, receipts: 1 }],
];

test.each(POINTS)('dying at %s', async (point, expected) => {
  const die = (here: CrashPoint): void => {
    if (here === point) throw new Died(point);
  };
  const before = openCheckBench({ crash: die });
  try {
    const { agent, known, ports } = before;
    const check = checkMachine(ports, known, known.machine.units, new AbortController().signal);
    await expect(check).rejects.toBeInstanceOf(Died);
    expect(agent.leasedUnits()).toHaveLength(expected.leased);
    before.database.close();

    const after = openCheckBench({ folder: before.folder, agent });
    await sweepLeases(after.ports);
    expect(agent.leasedUnits()).toEqual([]);
    expect(after.ports.journal.open()).toEqual([]);
    expect(after.ports.receipts.counts().receipts).toBe(expected.receipts);
    expect(after.ports.receipts.logPosition().height).toBe(expected.receipts);
    after.close();
  } finally {
    rmSync(before.folder, { recursive: true, force: true });
  }
});
