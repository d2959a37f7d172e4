/** The barrier of the present epoch, as its coordinator or as one who joins: secret, second, name, and what may be said of it to whom. */

import type { DatabaseSync } from 'node:sqlite';
import { signDocument, toHex, type KeySigner } from '@celium/chain';
import type { Signed } from '@celium/contract';
import {
  BARRIER_DISCLOSE_MS,
  BARRIER_DRAW_BLOCKS,
  barrierCommitment,
  barrierIdOf,
  barrierMomentMs,
  barrierWindow,
} from '@celium/domain';
import type { RandomBytes, Report, ValidatorClock } from '../ports.ts';
import type { AskBarrier } from './barrier-client.ts';
import { sha256 } from './digest.ts';
import { finalizedBlock, type EpochChain, type EpochView } from './epoch-watch.ts';

/** A barrier whose second is known: its name in seeds and receipts, and the second, unix ms. */
export interface NetworkBarrier {
  id: string;
  momentMs: number;
}

/** What the keeper needs from outside. */
export interface BarrierPorts {
  chain: Pick<EpochChain, 'finalizedBlocks' | 'schedule'> & {
    heads(): Promise<{ finalized: { number: number } }>;
  };
  clock: ValidatorClock;
  randomBytes: RandomBytes;
  hotkey: KeySigner;
  netuid: number;
  database: DatabaseSync;
  /** Appends to our signed log. */
  appendLog: (kind: string, body: unknown, nowMs: number) => unknown;
  view: () => EpochView | null;
  ask: AskBarrier;
  report: Report;
}

/** Epochs with fewer blocks have no barrier, so no secret is made for them either. */
const MIN_TEMPO = 4 * BARRIER_DRAW_BLOCKS;
/** A coordinator that did not say it yet is asked again after this time. */
const ASK_AGAIN_MS = 30_000;

interface Epoch {
  view: EpochView;
  commitment: string | null;
  secret: string | null;
  /** Undefined until the deciding block is final and the secret known; null where the epoch has no room for a barrier. */
  barrier: NetworkBarrier | null | undefined;
  askAgainAtMs: number;
  disclosed: boolean;
}

/** Reads chain and coordinator when it is told to; everything else answers from what was learnt. */
export class BarrierKeeper {
  readonly #ports: BarrierPorts;
  #epoch: Epoch | null = null;

  constructor(ports: BarrierPorts) {
    this.#ports = ports;
  }

  /** The barrier of this epoch as soon as its second is known, else null. */
  current(): NetworkBarrier | null {
    return this.#epoch?.barrier ?? null;
  }

  /** Learns what can be learnt by now. Throws what the chain port throws; the next call goes on. */
  async refresh(): Promise<void> {
    const view = this.#ports.view();
    if (view === null) return;
    if (this.#epoch?.view.block.hash !== view.block.hash) {
      // An epoch that ended earlier than its blocks had promised takes no secret with it.
      if (this.#epoch !== null) this.#disclose(this.#epoch, 0);
      this.#epoch = { view, commitment: null, secret: null, barrier: undefined, askAgainAtMs: 0, disclosed: false };
    }
    const epoch = this.#epoch;
    if (epoch === null || view.tempo < MIN_TEMPO || view.coordinator === null) return;
    if (epoch.secret === null) await this.#learnSecret(epoch);
    if (epoch.secret !== null && epoch.barrier === undefined) await this.#draw(epoch, epoch.secret);
    this.#disclose(epoch, BARRIER_DISCLOSE_MS);
  }

  /** Our statement as coordinator of this epoch, or null when we are not. With the secret once it is public, or when `toValidator`. */
  async statement(toValidator: boolean): Promise<Signed<'barrier'> | null> {
    const { hotkey, netuid, clock } = this.#ports;
    const epoch = this.#epoch;
    if (epoch === null || !this.#isOurs(epoch) || epoch.commitment === null) return null;
    const body = {
      validator: hotkey.ss58,
      netuid,
      epochBlock: epoch.view.block.number,
      epochHash: epoch.view.block.hash,
      commitment: epoch.commitment,
      // Before the deciding block is final nobody needs it.
      secret: (toValidator && epoch.barrier !== undefined) || this.#isOver(epoch) ? epoch.secret : null,
      issuedAtMs: clock.unixMs(),
    };
    return signDocument('barrier', body, hotkey);
  }

  /** Whether `hotkey` may know the second early. */
  mayJoin(hotkey: string): boolean {
    return this.#epoch?.view.permits.includes(hotkey) ?? false;
  }

  /** What the status page says. It is public, so the second of a barrier to come is not in it. */
  describe(): Record<string, unknown> | null {
    const epoch = this.#epoch;
    if (epoch === null) return null;
    const over = this.#isOver(epoch);
    return {
      coordinator: epoch.view.coordinator,
      commitment: epoch.commitment,
      state: over ? 'over' : epoch.barrier === null ? 'none' : epoch.barrier === undefined ? 'not drawn' : 'to come',
      barrier: over ? epoch.barrier : null,
    };
  }

  #isOurs(epoch: Epoch): boolean {
    return epoch.view.coordinator === this.#ports.hotkey.ss58;
  }

  #isOver({ barrier }: Epoch, sinceMs = BARRIER_DISCLOSE_MS): boolean {
    if (barrier === undefined || barrier === null) return false;
    return this.#ports.clock.unixMs() >= barrier.momentMs + sinceMs;
  }

  async #learnSecret(epoch: Epoch): Promise<void> {
    const { clock, report } = this.#ports;
    const { hash } = epoch.view.block;
    if (this.#isOurs(epoch)) {
      epoch.secret = this.#ownSecret(hash);
      epoch.commitment = toHex(barrierCommitment(hash, epoch.secret, sha256));
      return;
    }
    const coordinator = epoch.view.coordinator ?? '';
    const axon = epoch.view.axons.get(coordinator);
    if (axon === undefined || clock.nowMs() < epoch.askAgainAtMs) return;
    epoch.askAgainAtMs = clock.nowMs() + ASK_AGAIN_MS;
    const said = (await this.#ports.ask(coordinator, axon).catch(() => null))?.body ?? null;
    if (said === null || said.epochHash !== hash) return;
    const fault = faultOfStatement(said, epoch.commitment);
    if (fault !== null) return report({ event: 'step', name: 'join the barrier', status: 'failed', detail: fault });
    epoch.commitment = said.commitment;
    epoch.secret = said.secret;
  }

  /** The deciding block settles the second. */
  async #draw(epoch: Epoch, secret: string): Promise<void> {
    const { chain } = this.#ports;
    const { block, tempo } = epoch.view;
    const drawNumber = block.number + BARRIER_DRAW_BLOCKS;
    if ((await chain.heads()).finalized.number < drawNumber) return;
    const draw = await finalizedBlock(chain, drawNumber);
    const window = barrierWindow(block.timeMs, draw.timeMs, tempo);
    epoch.barrier =
      window === null
        ? null
        : {
            id: toHex(barrierIdOf(block.hash, secret, sha256)),
            momentMs: barrierMomentMs(window, draw.hash, secret, sha256),
          };
  }

  /** The same after a restart: a second secret for one epoch would be equivocation. */
  #ownSecret(epochHash: string): string {
    const { database, randomBytes, appendLog, clock } = this.#ports;
    const row = database.prepare(`SELECT value FROM facts WHERE name = 'barrier'`).get() as
      | { value: string }
      | undefined;
    const kept = row === undefined ? null : (JSON.parse(row.value) as { epochHash: string; secret: string });
    if (kept?.epochHash === epochHash) return kept.secret;
    const secret = toHex(randomBytes(32));
    database
      .prepare(`INSERT OR REPLACE INTO facts (name, value) VALUES ('barrier', ?)`)
      .run(JSON.stringify({ epochHash, secret }));
    const commitment = toHex(barrierCommitment(epochHash, secret, sha256));
    appendLog('barrier-commitment', { epochHash, commitment }, clock.unixMs());
    return secret;
  }

  /** Once the barrier is over its secret goes into our log, where everybody can check second and name. */
  #disclose(epoch: Epoch, afterMs: number): void {
    if (epoch.disclosed || !this.#isOurs(epoch) || !this.#isOver(epoch, afterMs)) return;
    epoch.disclosed = true;
    const { appendLog, clock } = this.#ports;
    const body = { epochHash: epoch.view.block.hash, secret: epoch.secret, ...epoch.barrier };
    appendLog('barrier-disclosed', body, clock.unixMs());
  }
}

/** What is wrong with a coordinator's statement, beside what it said before; null when nothing is. */
function faultOfStatement(
  said: { epochHash: string; commitment: string; secret: string | null },
  before: string | null,
): string | null {
  if (before !== null && said.commitment !== before) return 'the coordinator committed to two secrets';
  if (said.secret === null) return null;
  const fits = toHex(barrierCommitment(said.epochHash, said.secret, sha256)) === said.commitment;
  return fits ? null : 'the coordinator’s secret is not the one that it committed to';
}
