/** Effects that go out to agents, in PostgreSQL: written with the state that wants them, claimed with a fence, done when the agent has answered. */
import { sql } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';

export type EffectType = 'request-lease' | 'stop-lease' | 'set-ssh-keys' | 'renew';

export interface Effect {
  effectId: bigint;
  rentalId: string;
  machineKey: string;
  type: EffectType;
  payload: unknown;
  attempts: number;
  claimToken: bigint;
}

interface EffectRow {
  effect_id: bigint;
  rental_id: string;
  machine_key: string;
  type: EffectType;
  payload: unknown;
  attempts: number;
  claim_token: bigint;
}

/** Writes an effect. With `claimMs` it is claimed by the writer for that long, who carries it out right after the commit. */
export async function addEffect(
  tx: Tx,
  effect: { rentalId: string; machineKey: string; type: EffectType; payload: unknown },
  nowMs: number,
  claimMs: number | null,
): Promise<Effect> {
  const claimedUntilMs = claimMs === null ? null : nowMs + claimMs;
  const payload = effect.payload === null ? null : JSON.stringify(effect.payload);
  const { rows } = await sql<EffectRow>`
    insert into effects (rental_id, machine_key, type, payload, attempts, next_attempt_at_ms, claim_token, claimed_until_ms)
    values (${effect.rentalId}::uuid, ${effect.machineKey}, ${effect.type}, ${payload}::json, ${claimMs === null ? 0 : 1},
      ${nowMs}::bigint, nextval('effect_claims'), ${claimedUntilMs}::bigint)
    returning effect_id, rental_id, machine_key, type, payload, attempts, claim_token`.execute(tx.db);
  return fromRow(rows[0] as EffectRow);
}

/** The channel on which effects are notified for agents that another replica serves; the payload is the machine key. */
export const EFFECT_CHANNEL = 'celium_effect';

/** Tells the other replicas, with the commit, that there is an effect for a machine. */
export async function notifyReplicas(tx: Tx, machineKey: string): Promise<void> {
  await sql`select pg_notify(${EFFECT_CHANNEL}, ${machineKey})`.execute(tx.db);
}

/** Claims effects that are due for machines connected to this replica. */
export async function claimEffects(
  db: Queries,
  replicaId: string,
  nowMs: number,
  claimMs: number,
  limit: number,
): Promise<Effect[]> {
  const { rows } = await sql<EffectRow>`
    select effect_id, rental_id, machine_key, type, payload, attempts, claim_token
    from claim_effects(${replicaId}::uuid, ${nowMs}::bigint, ${claimMs}::bigint, ${limit}) order by effect_id`.execute(
    db,
  );
  return rows.map(fromRow);
}

/** Gives a claim up until `nextAttemptAtMs`, when the effect is carried out again; nothing when another claim took over. */
export async function postponeEffect(db: Queries, effect: Effect, nextAttemptAtMs: number): Promise<void> {
  await db
    .updateTable('effects')
    .set({ claimed_until_ms: null, next_attempt_at_ms: nextAttemptAtMs })
    .where('effect_id', '=', effect.effectId)
    .where('claim_token', '=', effect.claimToken)
    .where('done_at_ms', 'is', null)
    .execute();
}

/** Ends the open effects of a rental of these types: they have had their answer, or nobody wants them any more. */
export async function finishEffects(
  db: Queries,
  rentalId: string,
  types: readonly EffectType[],
  nowMs: number,
): Promise<void> {
  await db
    .updateTable('effects')
    .set({ done_at_ms: nowMs })
    .where('rental_id', '=', rentalId)
    .where('type', 'in', types)
    .where('done_at_ms', 'is', null)
    .execute();
}

/** Makes the open effects of a machine due now: its agent has just connected. */
export async function hurryEffects(db: Queries, machineKey: string, nowMs: number): Promise<void> {
  await db
    .updateTable('effects')
    .set({ next_attempt_at_ms: nowMs, claimed_until_ms: null })
    .where('machine_key', '=', machineKey)
    .where('done_at_ms', 'is', null)
    .execute();
}

/** Forgets effects that were done before `beforeMs`. */
export async function forgetDoneEffects(db: Queries, beforeMs: number): Promise<void> {
  await db.deleteFrom('effects').where('done_at_ms', '<', BigInt(beforeMs)).execute();
}

function fromRow(row: EffectRow): Effect {
  return {
    effectId: row.effect_id,
    rentalId: row.rental_id,
    machineKey: row.machine_key,
    type: row.type,
    payload: row.payload,
    attempts: row.attempts,
    claimToken: row.claim_token,
  };
}

/** Remembers the sequence number under which a command went out. */
export async function noteSequence(db: Queries, effect: Effect, sequence: number): Promise<void> {
  await db
    .updateTable('effects')
    .set({ payload: JSON.stringify({ sequence }) })
    .where('effect_id', '=', effect.effectId)
    .where('claim_token', '=', effect.claimToken)
    .execute();
}

/** Ends the command that went out under a sequence number: the agent has taken it. */
export async function finishCommand(db: Queries, rentalId: string, sequence: number, nowMs: number): Promise<void> {
  await sql`update effects set done_at_ms = ${nowMs}::bigint where rental_id = ${rentalId}::uuid and done_at_ms is null
    and type in ('set-ssh-keys', 'renew') and (payload->>'sequence')::bigint = ${sequence}::bigint`.execute(db);
}
