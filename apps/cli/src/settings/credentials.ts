/** API keys by market, in one private file; and the market that is used when none is named. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultWithRemedy } from '../output/failure.ts';
import { writePrivateFile } from './private-file.ts';

export interface Login {
  email: string;
  apiKey: string;
}

export interface Credentials {
  /** Address of the market that was logged in to last. */
  current: string | null;
  markets: Record<string, Login>;
}

/** Where the file is. */
export function credentialsPath(configFolder: string): string {
  return join(configFolder, 'credentials.json');
}

/** Reads the file; empty credentials when there is none. Throws `BAD_REQUEST` when it is damaged. */
export function readCredentials(configFolder: string): Credentials {
  const path = credentialsPath(configFolder);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (fault) {
    if ((fault as { code?: unknown }).code === 'ENOENT') return { current: null, markets: {} };
    throw fault;
  }
  const credentials = parseCredentials(text);
  if (credentials !== null) return credentials;
  const remedy = `Remove it (rm ${path}) and run \`celium login\` again.`;
  throw faultWithRemedy('BAD_REQUEST', `${path} is damaged.`, remedy);
}

/** Keeps the key of a market and makes it the current one. */
export function saveLogin(configFolder: string, marketUrl: string, login: Login): void {
  const { markets } = readCredentials(configFolder);
  const next: Credentials = { current: marketUrl, markets: { ...markets, [marketUrl]: login } };
  writePrivateFile(credentialsPath(configFolder), `${JSON.stringify(next, null, 2)}\n`);
}

function parseCredentials(text: string): Credentials | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { current, markets } = (value ?? {}) as { current?: unknown; markets?: unknown };
  if (current !== null && typeof current !== 'string') return null;
  if (typeof markets !== 'object' || markets === null) return null;
  const logins: Record<string, Login> = {};
  for (const [url, login] of Object.entries(markets as Record<string, Partial<Login> | null>)) {
    if (typeof login?.email !== 'string' || typeof login.apiKey !== 'string') return null;
    logins[url] = { email: login.email, apiKey: login.apiKey };
  }
  return { current, markets: logins };
}
