/** Puts a real check together for tests: real store, real documents, real proofs at micro size, a local agent and local shells. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { keyFromUri } from '@celium/chain';
import { auditPair, auditTranscript } from '@celium/proof';
import type { CheckPorts } from '../check/check-machine.ts';
import { systemTime } from '../clock.ts';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { ShellPort, ValidatorClock } from '../ports.ts';
import { openDatabase } from '../state/database.ts';
import { GrantBook } from '../state/grant-book.ts';
import { LeaseJournal } from '../state/lease-journal.ts';
import { ReceiptBook } from '../state/receipt-book.ts';
import { TranscriptFiles } from '../state/transcripts.ts';
import { createLocalShells, type LocalShellOptions } from './local-shells.ts';
import { LocalAgent } from './local-agent.ts';

export const VALIDATOR = keyFromUri('//test-validator');
export const BLOCK = { number: 120, hash: `0x${'5a'.repeat(32)}` };

export interface CheckBench {
  folder: string;
  database: DatabaseSync;
  agent: LocalAgent;
  known: KnownMachine;
  ports: CheckPorts;
  close(): void;
}

/** A clock on which everything takes a hundredth of its time, so that a test of content is never late on a busy machine. */
export const gentleClock: ValidatorClock = { ...systemTime, nowMs: () => systemTime.nowMs() / 100 };

/** A clock on which waiting is a hundred times shorter: for tests in which nothing comes. */
export const hastyClock: ValidatorClock = {
  ...systemTime,
  nowMs: () => systemTime.nowMs() * 100,
  setTimer: (delayMs, fire) => systemTime.setTimer(delayMs / 100, fire),
};

/** Everything for checks of one machine. Nothing is shared with another bench. */
export function openCheckBench(
  options: {
    shells?: LocalShellOptions;
    shellPort?: ShellPort;
    clock?: ValidatorClock;
    units?: string[];
    declaredWorkPerSecond?: number;
    lagMs?: () => number;
    crash?: CheckPorts['crash'];
    folder?: string;
    agent?: LocalAgent;
  } = {},
): CheckBench {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'celium-validator-'));
  const database = openDatabase(folder);
  const agent =
    options.agent ??
    new LocalAgent({
      nowMs: systemTime.unixMs,
      ...(options.units === undefined ? {} : { units: options.units }),
      ...(options.declaredWorkPerSecond === undefined ? {} : { declaredWorkPerSecond: options.declaredWorkPerSecond }),
    });
  const ports: CheckPorts = {
    clock: options.clock ?? gentleClock,
    randomBytes,
    agent,
    journal: new LeaseJournal(database),
    grants: new GrantBook(database),
    hotkey: VALIDATOR,
    crash: options.crash ?? (() => {}),
    running: new Set(),
    shells: options.shellPort ?? createLocalShells(options.shells),
    lag: { start: () => ({ stop: () => options.lagMs?.() ?? 0 }) },
    finalizedBlock: async () => BLOCK,
    proverCommand: ['/.celium/prover'],
    sizeClassOf: () => 'micro',
    timing: new Set(),
    auditor: {
      audit: async (transcript) => ({ outcome: auditTranscript(transcript), cpuSeconds: 0.1 }),
      auditPair: async (transcript) => ({ outcome: auditPair(transcript), cpuSeconds: 0.1 }),
    },
    receipts: new ReceiptBook(database),
    transcripts: new TranscriptFiles(folder),
    markets: [],
  };
  return {
    folder,
    database,
    agent,
    known: {
      hotkey: agent.provider.ss58,
      hotkeyHex: Buffer.from(agent.provider.publicKey).toString('hex'),
      machine: agent.machine,
    },
    ports,
    close() {
      if (database.isOpen) database.close();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
