/** Adding and removing SSH keys. A removed key is also taken out of the account's running pods. */
import { createHash } from 'node:crypto';
import { CeliumError } from '@celium/contract';
import { parseSshPublicKey } from '@celium/domain';
import type { Tx } from '../database/market-database.ts';
import type { Clock, Randomness } from '../ports.ts';
import { deleteSshKey, insertSshKey, type SshKey } from './ssh-keys.store.ts';

export { listSshKeys } from './ssh-keys.store.ts';

export interface SshKeyParts {
  clock: Clock;
  randomness: Randomness;
  /** Takes a removed key out of the pods of the account, in the same transaction. */
  dropFromPods(tx: Tx, accountId: string, keyId: string): Promise<void>;
}

/** Adds a key. Throws BAD_SSH_KEY, or CONFLICT when the account has it. */
export async function addSshKey(
  parts: SshKeyParts,
  tx: Tx,
  accountId: string,
  given: { name: string; publicKey: string },
): Promise<SshKey> {
  const parsed = parseSshPublicKey(given.publicKey);
  if (!parsed.ok) throw new CeliumError('BAD_SSH_KEY', `this is no SSH public key that pods accept: ${parsed.why}`);
  const key = {
    id: parts.randomness.uuid(),
    name: given.name,
    fingerprint: fingerprintOf(parsed.blobBase64),
    publicKey: parsed.line,
    createdAtMs: parts.clock.now(),
  };
  const added = await insertSshKey(tx.db, accountId, key);
  if (added === null) throw new CeliumError('CONFLICT', `the account has this key already (${key.fingerprint})`);
  return added;
}

/** Removes a key, from running pods too. Throws NOT_FOUND. */
export async function removeSshKey(parts: SshKeyParts, tx: Tx, accountId: string, keyId: string): Promise<void> {
  if (!(await deleteSshKey(tx.db, accountId, keyId)))
    throw new CeliumError('NOT_FOUND', 'there is no such SSH key of yours');
  await parts.dropFromPods(tx, accountId, keyId);
}

/** `SHA256:...` as OpenSSH prints it: base64 without padding, over the key's blob. */
export function fingerprintOf(blobBase64: string): string {
  const digest = createHash('sha256').update(Buffer.from(blobBase64, 'base64')).digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}
