/** The real decoys of a validator at a test's market: rests take no time and are written down, proofs have micro size. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { toHex } from '@celium/chain';
import type { ManifestMachine } from '@celium/contract';
import { createClient } from '@celium/sdk';
import { DecoyAccounts } from '../../apps/validator/src/decoys/accounts.ts';
import { DecoyBook } from '../../apps/validator/src/decoys/decoy-book.ts';
import { Decoys, type DecoysPorts } from '../../apps/validator/src/decoys/decoys.ts';
import { loginsTo } from '../../apps/validator/src/decoys/terminal-login.ts';
import { systemTime } from '../../apps/validator/src/clock.ts';
import { ManifestDirectory } from '../../apps/validator/src/discovery/manifest-directory.ts';
import { openCheckBench, VALIDATOR, type CheckBench } from '../../apps/validator/src/testing/check-bench.ts';
import { MACHINE } from './tapped-machine.ts';

export interface DecoyValidator {
  bench: CheckBench;
  ports: DecoysPorts;
  decoys: Decoys;
  lines: Array<Record<string, unknown>>;
  /** Every rest, in milliseconds. */
  rests: number[];
  /** Moves the validator's wall clock on. */
  advance(ms: number): void;
}

/** A validator that knows one machine. */
export function openDecoyValidator(marketUrl: string, machine: ManifestMachine): DecoyValidator {
  const bench = openCheckBench();
  let aheadMs = 0;
  let turnAheadMs = 0;
  const clock = {
    ...bench.ports.clock,
    unixMs: () => systemTime.unixMs() + aheadMs,
    nowMs: () => bench.ports.clock.nowMs() + turnAheadMs,
  };
  const lines: Array<Record<string, unknown>> = [];
  const rests: number[] = [];
  const known = { hotkey: MACHINE.ss58, hotkeyHex: toHex(MACHINE.publicKey), machine };
  const directory = new ManifestDirectory(bench.database);
  const ports: DecoysPorts = {
    ...bench.ports,
    clock,
    connect: (url, apiKey) => createClient({ baseUrl: url, ...(apiKey === undefined ? {} : { apiKey }) }),
    accounts: new DecoyAccounts(bench.folder, randomBytes),
    book: new DecoyBook(bench.database, VALIDATOR, randomBytes),
    loginsTo: (target, signal) =>
      loginsTo({ clock: systemTime, allowPrivate: true, folder: join(bench.folder, 'logins') }, target, signal),
    rest: async (forMs) => void rests.push(forMs),
    settings: { ratePerMachineDay: 1e6, budgetMicroUsdPerDay: 5_000_000n, mailDomain: 'example.org' },
    marketUrls: [marketUrl],
    directory: Object.assign(directory, { machines: () => [known] }),
    markets: [],
    database: bench.database,
    epochMs: () => 0,
    report: (line) => void lines.push(line),
  };
  return {
    bench,
    ports,
    decoys: new Decoys(ports),
    lines,
    rests,
    advance: (ms) => {
      aheadMs += ms;
      turnAheadMs += ms;
    },
  };
}
