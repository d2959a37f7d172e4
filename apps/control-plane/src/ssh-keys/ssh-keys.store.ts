/** SSH public keys of accounts in PostgreSQL. */
import type { Queries } from '../database/market-database.ts';

export interface SshKey {
  id: string;
  name: string;
  fingerprint: string;
  publicKey: string;
  createdAtMs: number;
}

/** Stores a key; null when the account has it already. */
export async function insertSshKey(db: Queries, accountId: string, key: SshKey): Promise<SshKey | null> {
  const row = await db
    .insertInto('ssh_keys')
    .values({
      ssh_key_id: key.id,
      account_id: accountId,
      name: key.name,
      fingerprint: key.fingerprint,
      public_key: key.publicKey,
      created_at_ms: key.createdAtMs,
    })
    .onConflict((conflict) => conflict.columns(['account_id', 'fingerprint']).doNothing())
    .returning('ssh_key_id')
    .executeTakeFirst();
  return row === undefined ? null : key;
}

/** Keys of an account, oldest first. */
export async function listSshKeys(db: Queries, accountId: string): Promise<SshKey[]> {
  const rows = await db
    .selectFrom('ssh_keys')
    .selectAll()
    .where('account_id', '=', accountId)
    .orderBy('created_at_ms')
    .orderBy('ssh_key_id')
    .execute();
  return rows.map((row) => ({
    id: row.ssh_key_id,
    name: row.name,
    fingerprint: row.fingerprint,
    publicKey: row.public_key,
    createdAtMs: Number(row.created_at_ms),
  }));
}

/** True when there was such a key of this account. */
export async function deleteSshKey(db: Queries, accountId: string, keyId: string): Promise<boolean> {
  const deleted = await db
    .deleteFrom('ssh_keys')
    .where('account_id', '=', accountId)
    .where('ssh_key_id', '=', keyId)
    .executeTakeFirst();
  return deleted.numDeletedRows > 0n;
}
