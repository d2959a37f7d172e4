/** Removes the state of a demo, the database that lies outside of its folder included. */

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Where the programs of a demo log to, inside its state. */
export const LOGS_FOLDER = 'logs';

/** Where the market says that its database lies when that account could not enter the state folder (apps/control-plane, server.ts). */
const DATABASE_POINTER = 'market/postgres-elsewhere';
const DATABASE_PLACE = /^\/var\/lib\/celium\/postgres-[0-9a-f]+$/;

/** Removes the state of a demo, wherever it lies. `keepLogs` leaves what its programs said, for who looks for the reason of a failure. */
export function forgetState(state: string, keepLogs = false): void {
  const pointer = join(state, DATABASE_POINTER);
  const elsewhere = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : '';
  if (DATABASE_PLACE.test(elsewhere)) rmSync(elsewhere, { recursive: true, force: true });
  if (!keepLogs) {
    rmSync(state, { recursive: true, force: true });
    return;
  }
  for (const name of readdirSync(state)) {
    if (name !== LOGS_FOLDER) rmSync(join(state, name), { recursive: true, force: true });
  }
}
