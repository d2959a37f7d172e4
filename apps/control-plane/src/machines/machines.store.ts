/** Manifests, machines and agents' sessions in PostgreSQL. */
import type { ManifestMachine, Signed } from '@celium/contract';
import { sql } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';

export interface StoredManifest {
  serial: number;
  hash: string;
}

/** The newest manifest of a hotkey, its row locked against a second one at the same time. */
export async function lockManifest(tx: Tx, hotkey: string): Promise<StoredManifest | null> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`manifest:${hotkey}`}, 0))`.execute(tx.db);
  const row = await tx.db
    .selectFrom('manifests')
    .select(['serial', 'manifest_hash'])
    .where('hotkey', '=', hotkey)
    .executeTakeFirst();
  return row === undefined ? null : { serial: Number(row.serial), hash: row.manifest_hash };
}

export async function saveManifest(tx: Tx, manifest: Signed<'manifest'>, hash: string, nowMs: number): Promise<void> {
  const values = {
    serial: manifest.body.serial,
    manifest_hash: hash,
    document: JSON.stringify(manifest),
    received_at_ms: nowMs,
  };
  await tx.db
    .insertInto('manifests')
    .values({ hotkey: manifest.body.hotkey, ...values })
    .onConflict((conflict) => conflict.column('hotkey').doUpdateSet(values))
    .execute();
}

/** The hotkey that a machine key belongs to, or null. */
export async function findOwner(db: Queries, machineKey: string): Promise<string | null> {
  const row = await db.selectFrom('machines').select('hotkey').where('machine_key', '=', machineKey).executeTakeFirst();
  return row?.hotkey ?? null;
}

/** Writes a machine of a manifest. */
export async function saveMachine(tx: Tx, hotkey: string, machine: ManifestMachine): Promise<void> {
  const values = {
    hotkey,
    machine_id: machine.machineId,
    agent_url: machine.agentUrl,
    public_host: machine.publicHost,
    port_from: machine.portRange.from,
    port_to: machine.portRange.to,
    units: machine.units,
    simulated: machine.simulated === true,
    revoked_at_ms: null,
  };
  await tx.db
    .insertInto('machines')
    .values({ machine_key: machine.machineKey, ...values })
    .onConflict((conflict) => conflict.column('machine_key').doUpdateSet(values))
    .execute();
}

/** Revokes machines of a hotkey that its newest manifest leaves out. Answers their keys. */
export async function revokeOthers(
  tx: Tx,
  hotkey: string,
  keptKeys: readonly string[],
  nowMs: number,
): Promise<string[]> {
  const { rows } = await sql<{ machine_key: string }>`
    update machines set revoked_at_ms = ${nowMs}::bigint
    where hotkey = ${hotkey} and revoked_at_ms is null and not (machine_key = any(${[...keptKeys]}::text[]))
    returning machine_key`.execute(tx.db);
  await sql`delete from agent_sessions where machine_key = any(${rows.map((row) => row.machine_key)}::text[])`.execute(
    tx.db,
  );
  return rows.map((row) => row.machine_key);
}

export interface SessionFacts {
  machineKey: string;
  replicaId: string;
  bootId: string;
  agentInstanceId: string;
  version: string;
}

/** The channel on which new sessions are notified; the payload is `<machine key> <epoch>`. */
export const SESSION_CHANNEL = 'celium_session';

/** Opens the session of an agent; an older one of the same machine is over, at whatever replica. Answers its epoch. */
export async function openSession(tx: Tx, session: SessionFacts, aliveUntilMs: number): Promise<number> {
  const { rows } = await sql<{ epoch: bigint }>`
    with opened as (insert into agent_sessions (machine_key, replica_id, epoch, boot_id, agent_instance_id, version, alive_until_ms)
    values (${session.machineKey}, ${session.replicaId}::uuid, nextval('agent_session_epochs'), ${session.bootId},
      ${session.agentInstanceId}, ${session.version}, ${aliveUntilMs}::bigint)
    on conflict (machine_key) do update set replica_id = excluded.replica_id, epoch = excluded.epoch, boot_id = excluded.boot_id,
      agent_instance_id = excluded.agent_instance_id, version = excluded.version, alive_until_ms = excluded.alive_until_ms
    returning machine_key, epoch)
    select epoch, pg_notify(${SESSION_CHANNEL}, machine_key || ' ' || epoch) from opened`.execute(tx.db);
  return Number(rows[0]?.epoch ?? 0n);
}

/** Keeps a session alive; false when a newer one has taken its place. */
export async function keepSession(
  db: Queries,
  session: { machineKey: string; epoch: number },
  aliveUntilMs: number,
): Promise<boolean> {
  const updated = await db
    .updateTable('agent_sessions')
    .set({ alive_until_ms: aliveUntilMs })
    .where('machine_key', '=', session.machineKey)
    .where('epoch', '=', BigInt(session.epoch))
    .executeTakeFirst();
  return updated.numUpdatedRows > 0n;
}

/** Ends a session, unless a newer one has taken its place. */
export async function closeSession(db: Queries, session: { machineKey: string; epoch: number }): Promise<void> {
  await db
    .deleteFrom('agent_sessions')
    .where('machine_key', '=', session.machineKey)
    .where('epoch', '=', BigInt(session.epoch))
    .execute();
}

/** Every machine in force that is not simulated, with its newest manifests. */
export async function listMachines(
  db: Queries,
  nowMs: number,
): Promise<{
  machines: Array<{ machineId: string; machineKey: string; hotkey: string; agentUrl: string; online: boolean }>;
  manifests: Array<Signed<'manifest'>>;
}> {
  const { rows } = await sql<{
    machine_id: string;
    machine_key: string;
    hotkey: string;
    agent_url: string;
    online: boolean;
  }>`
    select m.machine_id, m.machine_key, m.hotkey, m.agent_url,
      coalesce(s.alive_until_ms > ${nowMs}::bigint, false) as online
    from machines m left join agent_sessions s using (machine_key)
    where m.revoked_at_ms is null and not m.simulated order by m.hotkey, m.machine_id`.execute(db);
  const hotkeys = [...new Set(rows.map((row) => row.hotkey))];
  const manifests =
    hotkeys.length === 0
      ? []
      : await db.selectFrom('manifests').select('document').where('hotkey', 'in', hotkeys).orderBy('hotkey').execute();
  return {
    machines: rows.map((row) => ({
      machineId: row.machine_id,
      machineKey: row.machine_key,
      hotkey: row.hotkey,
      agentUrl: row.agent_url,
      online: row.online,
    })),
    manifests: manifests.map((row) => row.document as Signed<'manifest'>),
  };
}
