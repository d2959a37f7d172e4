/** Weights, once per epoch: scores from the registry of GPUs and our own receipts, a row, one submission that is noted before and after, and a look at what the chain stored. */

import type { DatabaseSync } from 'node:sqlite';
import { confirmWeights, weightsRowDigest, type KeySigner, type SubnetChain, type WeightsReceipt } from '@celium/chain';
import { canonicalJson, type CrashHere } from '@celium/contract';
import {
  failedMachines,
  MACHINE_RECEIPT_VALID_MS,
  RECEIPT_VALID_MS,
  scoreHotkeys,
  weightRow,
  withoutFailedMachines,
} from '@celium/domain';
import type { Report, ValidatorClock } from '../ports.ts';
import type { GrantBook } from '../state/grant-book.ts';
import type { MachineBook } from '../state/machine-book.ts';
import type { ReceiptBook } from '../state/receipt-book.ts';
import type { UnitRegistry } from '../state/unit-registry.ts';

/** So many committed rows are looked after at once; the chain keeps ten. */
const MOST_UNSETTLED = 10;

/** What setting weights needs from outside. */
export interface WeightsPorts {
  clock: ValidatorClock;
  chain: SubnetChain;
  hotkey: KeySigner;
  receipts: ReceiptBook;
  machineBook: MachineBook;
  grants: GrantBook;
  registry: UnitRegistry;
  database: DatabaseSync;
  crash: CrashHere;
  report: Report;
}

export type WeightsState =
  /** Written down before it is sent; after a crash nobody knows whether it arrived. */
  'submitting' | 'submitted' | 'refused' | 'confirmed' | 'mismatch';

interface Noted {
  epoch: number;
  state: WeightsState;
  row: string;
  answer: string | null;
}

/** What a submission that was cut off by a crash looks like on chain: the neuron's last update is younger than this block. */
interface Attempt {
  row: Array<[uid: number, weight: number]>;
  sinceBlock: number;
}

/** Blocks after which a transaction that was cut off by a crash and is not seen on chain counts as lost. */
const LOST_AFTER_BLOCKS = 3;

/**
 * Sets weights for the present epoch when that has not been done, we are registered with a permit, and there is something to say; else looks
 * whether the chain stored what we last gave it. Never submits twice for one epoch. Throws what the chain port throws.
 */
export async function setWeights(ports: WeightsPorts): Promise<void> {
  const { chain, database, clock } = ports;
  const [schedule, neurons, heads] = await Promise.all([chain.schedule(), chain.neurons(), chain.heads()]);
  const epoch = schedule.epochIndex;
  await settleCommitted(ports, epoch);
  const self = neurons.find((neuron) => neuron.hotkey === ports.hotkey.ss58);
  const noted = readNoted(database, epoch);
  if (noted !== null && noted.state !== 'submitting') return confirm(ports, noted);
  if (self === undefined || !self.validatorPermit) return;
  if (noted !== null) {
    const attempt = JSON.parse(noted.row) as Attempt;
    if (self.lastUpdate > attempt.sinceBlock) return noteState(database, epoch, 'submitted', null);
    if (heads.best.number <= attempt.sinceBlock + LOST_AFTER_BLOCKS) return;
  }
  const nowMs = clock.unixMs();
  const failed = failedMachines(ports.machineBook.words(nowMs - MACHINE_RECEIPT_VALID_MS), nowMs);
  const unpaid = new Set([...failed, ...ports.grants.convicted(nowMs)]);
  const receipts = withoutFailedMachines(ports.receipts.scored(nowMs - RECEIPT_VALID_MS), unpaid);
  const scores = scoreHotkeys(receipts, ports.registry.standings(nowMs), nowMs);
  const row = weightRow(scores, new Map(neurons.map((neuron) => [neuron.hotkey, neuron.uid])));
  if (row.length === 0) return;
  const { weightsVersionKey } = await chain.subnet();
  const attempt: Attempt = { row, sinceBlock: heads.best.number };
  database
    .prepare(`INSERT OR REPLACE INTO weights (epoch, state, row, answer, at_ms) VALUES (?, 'submitting', ?, NULL, ?)`)
    .run(epoch, JSON.stringify(attempt), clock.unixMs());
  const answer = await chain.putWeights(ports.hotkey, row, weightsVersionKey);
  ports.crash('validator.weights.submitted');
  if (!answer.ok) return refused(ports, epoch, answer);
  noteState(database, epoch, 'submitted', answer);
  const entry = { epoch, row, rowDigest: weightsRowDigest(row), txHash: answer.txHash, block: answer.block.number };
  ports.receipts.appendLog('weights', entry, clock.unixMs());
  const detail = `epoch ${epoch}: ${row.map(([uid, weight]) => `${uid}=${weight}`).join(' ')}`.slice(0, 300);
  ports.report({ event: 'step', name: 'set weights', status: 'done', detail });
}

/**
 * Rows that were committed in earlier epochs: a hashed one is opened when it is due, and each is read back once it stands or its reveal epoch is
 * over. The alarm of a reveal that never came is here: the chain itself says nothing.
 */
async function settleCommitted(ports: WeightsPorts, epoch: number): Promise<void> {
  const rows = ports.database
    .prepare(
      `SELECT epoch, state, row, answer FROM weights WHERE state = 'submitted' AND answer IS NOT NULL AND epoch < ? ORDER BY epoch DESC LIMIT ?`,
    )
    .all(epoch, MOST_UNSETTLED) as unknown as Array<Noted & { answer: string }>;
  for (const noted of rows) {
    const { revealEpoch, secret, epoch: committedIn } = readAnswer(noted.answer);
    if (revealEpoch === undefined) continue;
    if (secret !== undefined && revealEpoch === epoch) {
      const pending = await ports.chain.pendingWeights(ports.hotkey.ss58);
      if (pending.some((one) => one.mode === 'hashed' && one.epoch === committedIn)) {
        const outcome = await ports.chain.revealWeights(ports.hotkey, secret);
        const detail = `epoch ${noted.epoch}: ${outcome.ok ? 'opened' : `the chain refused: ${outcome.error}`}`;
        ports.report({ event: 'step', name: 'reveal weights', status: outcome.ok ? 'done' : 'failed', detail });
      }
    }
    await confirm(ports, noted);
  }
}

/** The chain said no: what may pass later is tried again, the rest waits for the next epoch. */
function refused(ports: WeightsPorts, epoch: number, answer: Extract<WeightsReceipt, { ok: false }>): void {
  if (answer.retryable) ports.database.prepare('DELETE FROM weights WHERE epoch = ?').run(epoch);
  else noteState(ports.database, epoch, 'refused', null);
  const detail = `epoch ${epoch}: the chain refused: ${answer.error}${answer.retryable ? ', tried again' : ''}`;
  ports.report({ event: 'step', name: 'set weights', status: 'failed', detail });
}

/** Reads the stored row back; a difference is an alarm, once. */
async function confirm(ports: WeightsPorts, noted: Noted): Promise<void> {
  if (noted.state !== 'submitted' || noted.answer === null) return;
  const answer = readAnswer(noted.answer);
  const seen = await confirmWeights(ports.chain, answer);
  if (seen === 'pending') return;
  noteState(ports.database, noted.epoch, seen, null);
  if (seen === 'mismatch') {
    const cause = answer.mode === 'plain' ? '' : ' (the reveal never came, or was dropped)';
    const detail = `epoch ${noted.epoch}: the chain stores another row than ours${cause}; look at uid ${answer.uid}`;
    ports.report({ event: 'step', name: 'confirm weights', status: 'failed', detail });
  }
}

/** A receipt as it was noted; its amounts are decimal strings there. */
function readAnswer(text: string): Extract<WeightsReceipt, { ok: true }> {
  const answer = JSON.parse(text) as Extract<WeightsReceipt, { ok: true }>;
  const { secret } = answer;
  return secret === undefined ? answer : { ...answer, secret: { ...secret, versionKey: BigInt(secret.versionKey) } };
}

/** The weights of one epoch as far as they went, or null. */
export function readNoted(database: DatabaseSync, epoch: number): Noted | null {
  const row = database.prepare('SELECT epoch, state, row, answer FROM weights WHERE epoch = ?').get(epoch);
  return (row as Noted | undefined) ?? null;
}

function noteState(database: DatabaseSync, epoch: number, state: WeightsState, answer: unknown): void {
  database
    .prepare('UPDATE weights SET state = ?, answer = coalesce(?, answer) WHERE epoch = ?')
    .run(state, answer === null ? null : canonicalJson(answer), epoch);
}
