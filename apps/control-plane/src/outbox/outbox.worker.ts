/** Carries effects out: at once after the commit that wrote them, and again until the agent has answered. */
import type { MarketDatabase, Queries, Tx } from '../database/market-database.ts';
import type { MarketPorts } from '../ports.ts';
import { startWorkerLoop } from '../worker-loop.ts';
import {
  addEffect,
  claimEffects,
  finishCommand,
  finishEffects,
  forgetDoneEffects,
  hurryEffects,
  noteSequence,
  notifyReplicas,
  postponeEffect,
  type Effect,
  type EffectType,
} from './outbox.store.ts';

const POLL_INTERVAL_MS = 1_000;
const CLAIM_MS = 5_000;
const BATCH = 100;
const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 60_000;

export { EFFECT_CHANNEL, type Effect, type EffectType } from './outbox.store.ts';

/** How long done effects are kept for whoever looks into what happened, in milliseconds. */
const DONE_MEMORY_MS = 24 * 3_600_000;

/** Forgets effects that were done a day ago. */
export async function forgetOldEffects(db: Queries, nowMs: number): Promise<void> {
  await forgetDoneEffects(db, nowMs - DONE_MEMORY_MS);
}

/** What other features need of the outbox. */
export interface Outbox {
  /** Writes an effect that is carried out as soon as `tx` is committed. */
  write(tx: Tx, effect: { rentalId: string; machineKey: string; type: EffectType; payload: unknown }): Promise<void>;
  /** Ends open effects: answered, or not wanted any more. */
  finish(tx: Tx, rentalId: string, types: readonly EffectType[]): Promise<void>;
  /** Ends the command that the agent has taken under this sequence number. */
  finishCommand(rentalId: string, sequence: number): Promise<void>;
  /** Carries out again, now, what is open for a machine. */
  hurry(machineKey: string): Promise<void>;
  /** Looks for effects now: another replica has written some. */
  wake(): void;
  /** Waits for what is under way, and ends the worker. */
  stop(): Promise<void>;
}

export interface OutboxParts {
  database: MarketDatabase;
  ports: MarketPorts;
  replicaId: string;
  isConnected(machineKey: string): boolean;
  /**
   * Sends an effect to its agent. It may come twice; the agent takes it once. `noteSequence` remembers under which number a command
   * goes out, so that the agent's answer finds it.
   */
  carryOut(effect: Effect, noteSequence: (sequence: number) => Promise<void>): Promise<void>;
}

export function openOutbox(parts: OutboxParts): Outbox {
  const { database, ports, replicaId } = parts;
  const { clock, log, crashHere } = ports;
  const underWay = new Set<Promise<void>>();

  const deliver = async (effect: Effect): Promise<void> => {
    crashHere('market.outbox.claimed');
    try {
      await parts.carryOut(effect, (sequence) => noteSequence(database.db, effect, sequence));
    } catch (fault) {
      log.error({ err: fault, rentalId: effect.rentalId, type: effect.type }, 'an effect failed; it is tried again');
    }
    crashHere('market.outbox.sent');
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** (effect.attempts - 1), MAX_RETRY_MS);
    await postponeEffect(database.db, effect, clock.now() + waitMs);
  };
  const track = (effect: Effect): void => {
    const work = deliver(effect)
      .catch((fault: unknown) =>
        log.error({ err: fault, rentalId: effect.rentalId }, 'an effect could not be postponed'),
      )
      .finally(() => underWay.delete(work));
    underWay.add(work);
  };
  const loop = startWorkerLoop({ name: 'outbox', intervalMs: POLL_INTERVAL_MS, clock, log }, async () => {
    const effects = await claimEffects(database.db, replicaId, clock.now(), CLAIM_MS, BATCH);
    for (const effect of effects) track(effect);
    await Promise.all(underWay);
    return effects.length === BATCH;
  });
  return {
    write: async (tx, effect) => {
      const isHere = parts.isConnected(effect.machineKey);
      const added = await addEffect(tx, effect, clock.now(), isHere ? CLAIM_MS : null);
      if (isHere) tx.afterCommit(() => track(added));
      else await notifyReplicas(tx, effect.machineKey);
    },
    finish: (tx, rentalId, types) => finishEffects(tx.db, rentalId, types, clock.now()),
    finishCommand: (rentalId, sequence) => finishCommand(database.db, rentalId, sequence, clock.now()),
    hurry: async (machineKey) => {
      await hurryEffects(database.db, machineKey, clock.now());
      loop.wake();
    },
    wake: () => loop.wake(),
    stop: async () => {
      await loop.stop();
      await Promise.all(underWay);
    },
  };
}
