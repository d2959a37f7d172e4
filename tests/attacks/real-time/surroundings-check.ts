/** One machine check of a real machine by the validator's own code: a lease of its agent, a pod on this host's engine, SSH, published ports, and the signed machine receipt. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RequestSigner, verifyDocument, type KeyPair } from '@celium/chain';
import type { MachineParts } from '@celium/contract';
import { MACHINE_PARTS, type Coordinates } from '@celium/domain';
import { DISK_PASSES, PROVER_IN_POD } from '@celium/proof';
import { createLagMeter } from '../../../apps/validator/src/check/loop-lag.ts';
import { systemTime } from '../../../apps/validator/src/clock.ts';
import { createBlockAuditor } from '../../../apps/validator/src/machine-check/block-audit.ts';
import { checkSurroundings } from '../../../apps/validator/src/machine-check/check-surroundings.ts';
import { createDialer } from '../../../apps/validator/src/machine-check/port-probe.ts';
import type { Template } from '../../../apps/validator/src/machine-check/template.ts';
import { createAgentClient } from '../../../apps/validator/src/network/agent-client.ts';
import { createNetwork } from '../../../apps/validator/src/network/json-over-http.ts';
import { createSshShells } from '../../../apps/validator/src/shell/ssh-shell.ts';
import { openDatabase } from '../../../apps/validator/src/state/database.ts';
import { GrantBook } from '../../../apps/validator/src/state/grant-book.ts';
import { LeaseJournal } from '../../../apps/validator/src/state/lease-journal.ts';
import { MachineBook } from '../../../apps/validator/src/state/machine-book.ts';
import { ReceiptBook } from '../../../apps/validator/src/state/receipt-book.ts';
import { emptyTally, type Tally } from '../family.ts';
import type { Machine } from './machine.ts';

/** Few blocks at the passes of a real check: what a block costs to make again is what tells a disk from none. */
const DISK_BYTES = 32 * 65_536;
const WRITE_LIMIT_MS = 60_000;
const PAYLOAD_BYTES = 1_000_000;

/** A visit that brought no receipt says nothing about a cheat, and is made again. */
const MAX_VISITS = 3;

/** Where the validator of these checks says it stands. */
const VALIDATOR_PLACE: Coordinates = { latitude: 60.17, longitude: 24.94 };

/** What a check found. */
export interface SurroundingsOutcome {
  parts: MachineParts;
  auditCpuSeconds: number;
}

/** A validator that looks at machines around their units; its records lie in `folder`. */
export class SurroundingsChecker {
  readonly #validator: KeyPair;
  readonly #chain: { finalizedBlock(): Promise<{ number: number; hash: string }> };
  readonly #folder: string;
  #checks = 0;

  constructor(
    validator: KeyPair,
    chain: { finalizedBlock(): Promise<{ number: number; hash: string }> },
    folder: string,
  ) {
    this.#validator = validator;
    this.#chain = chain;
    this.#folder = folder;
  }

  /** Looks at a machine once, with a deploy of `template` when there is one. Throws when no visit brought a receipt. */
  async look(machine: Machine, template: Template | null): Promise<SurroundingsOutcome> {
    for (let visits = 1; ; visits += 1) {
      const report = await this.#visit(machine, template);
      await machine.untilEmpty();
      if (report.kind === 'checked') {
        const verified = verifyDocument('machine-receipt', report.receipt);
        if (!verified.ok) throw new Error(verified.message);
        return { parts: verified.body.parts, auditCpuSeconds: report.auditCpuSeconds };
      }
      if (visits >= MAX_VISITS) throw new Error(`no receipt: ${JSON.stringify(report)}`);
    }
  }

  async #visit(machine: Machine, template: Template | null) {
    this.#checks += 1;
    const state = join(this.#folder, `surroundings-${this.#checks}`);
    await mkdir(state);
    const database = openDatabase(state);
    try {
      const network = createNetwork({ allowPrivate: true });
      const signer = new RequestSigner(this.#validator, { now: Date.now, randomBytes });
      const receipts = new ReceiptBook(database);
      const known = machine.known;
      const ports = {
        clock: systemTime,
        randomBytes,
        agent: createAgentClient(network, signer),
        journal: new LeaseJournal(database),
        grants: new GrantBook(database),
        hotkey: this.#validator,
        crash: () => {},
        running: new Set<string>(),
        timing: new Set<string>(),
        lag: createLagMeter(),
        shells: createSshShells({ allowPrivate: true, randomBytes }),
        network,
        signer,
        dialer: createDialer(true),
        machineBook: new MachineBook(database, receipts),
        blockAuditor: createBlockAuditor(),
        finalizedBlock: () => this.#chain.finalizedBlock(),
        proverCommand: [PROVER_IN_POD],
        storageSizes: { budgetBytes: DISK_BYTES, passes: DISK_PASSES, writeLimitMs: WRITE_LIMIT_MS },
        payloadBytes: PAYLOAD_BYTES,
        coordinates: VALIDATOR_PLACE,
        vantages: () => [],
      };
      return await checkSurroundings(
        ports,
        known,
        known.machine.units[0] ?? '',
        template,
        new AbortController().signal,
      );
    } finally {
      database.close();
    }
  }
}

/** The codes of the parts that failed. */
function failuresOf(parts: MachineParts): string[] {
  return MACHINE_PARTS.flatMap((part) => (parts[part].verdict === 'fail' ? [parts[part].code] : []));
}

/** One try: detected when a part failed with the code that this cheat is expected to be refused for. */
export function tallyOfParts({ parts, auditCpuSeconds }: SurroundingsOutcome, expected: readonly string[]): Tally {
  const failures = failuresOf(parts);
  return {
    ...emptyTally(),
    tries: 1,
    detected: failures.some((code) => expected.includes(code)) ? 1 : 0,
    reasons: { [failures.length === 0 ? 'OK' : failures.join('+')]: 1 },
    validatorCpuSeconds: auditCpuSeconds,
    // Payload and files that came in; frames around them are not counted.
    proofBytes: parts.network.payloadBytes + parts.image.bytesRead,
    units: 1,
  };
}

/** An honest machine: any failed part is a false reject. */
export function honestTallyOfParts(outcome: SurroundingsOutcome): Tally {
  return { ...tallyOfParts(outcome, []), detected: failuresOf(outcome.parts).length === 0 ? 0 : 1 };
}
