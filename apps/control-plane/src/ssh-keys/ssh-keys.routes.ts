/** Routes of SSH keys. */
import type { MarketDatabase } from '../database/market-database.ts';
import { accountOf, type Handlers } from '../http/handlers.ts';
import { addSshKey, removeSshKey, type SshKeyParts } from './ssh-keys.flow.ts';
import { listSshKeys } from './ssh-keys.store.ts';

export function sshKeyRoutes(
  database: MarketDatabase,
  parts: SshKeyParts,
): Pick<Handlers, 'addSshKey' | 'listSshKeys' | 'removeSshKey'> {
  return {
    addSshKey: async (call) => call.once((tx) => addSshKey(parts, tx, accountOf(call), call.body)),
    listSshKeys: async (call) => ({ keys: await listSshKeys(database.db, accountOf(call)) }),
    removeSshKey: async (call) =>
      call.once(async (tx) => {
        await removeSshKey(parts, tx, accountOf(call), call.params.keyId);
        return { removed: true as const };
      }),
  };
}
