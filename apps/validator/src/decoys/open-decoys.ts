/** Decoys from what the command line says; none without a domain for the addresses of their accounts. */

import { join } from 'node:path';
import type { KeySigner } from '@celium/chain';
import { createClient } from '@celium/sdk';
import { pause } from '../check/pause.ts';
import type { Settings } from '../settings.ts';
import { DecoyAccounts } from './accounts.ts';
import { DecoyBook } from './decoy-book.ts';
import { Decoys, type DecoysPorts } from './decoys.ts';
import { loginsTo } from './terminal-login.ts';

/** The parts of a validator that decoys use as they are. */
type SharedPorts = Omit<
  DecoysPorts,
  'accounts' | 'book' | 'connect' | 'loginsTo' | 'rest' | 'settings' | 'marketUrls'
> & {
  hotkey: KeySigner;
};

/** Opens them, or null when the operator wants none. */
export function openDecoys(settings: Settings, shared: SharedPorts): Decoys | null {
  if (settings.decoys === null) return null;
  const { clock, randomBytes, database, hotkey } = shared;
  const { sourceAddresses } = settings.decoys;
  return new Decoys({
    ...shared,
    settings: settings.decoys,
    marketUrls: settings.marketUrls,
    accounts: new DecoyAccounts(settings.stateFolder, randomBytes),
    book: new DecoyBook(database, hotkey, randomBytes),
    connect: (baseUrl, apiKey) => createClient({ baseUrl, ...(apiKey === undefined ? {} : { apiKey }) }),
    rest: (forMs, signal) => pause(clock, forMs, signal),
    loginsTo: (target, signal) => {
      const folder = join(settings.stateFolder, 'decoys', 'logins');
      // All logins of one decoy come from one address.
      const chosen = sourceAddresses[(randomBytes(1)[0] ?? 0) % Math.max(1, sourceAddresses.length)];
      return loginsTo({ clock, allowPrivate: settings.allowPrivate, folder, sourceAddress: chosen }, target, signal);
    },
  });
}
