/** Which market a command talks to, and as whom. */

import { CeliumError } from '@celium/contract';
import { createClient, type Client } from '@celium/sdk';
import type { CliContext } from '../context.ts';
import { readCredentials } from '../settings/credentials.ts';
import { foldersOf } from '../settings/folders.ts';

/** Where `celium serve` listens unless told otherwise. */
export const DEFAULT_MARKET_URL = 'http://127.0.0.1:7740';

/** The market's address: the flag, `CELIUM_MARKET`, the market last logged in to, a market on this machine. */
export function marketUrlOf(context: CliContext, flag: string | undefined): string {
  const { env } = context.process;
  const url = flag ?? env['CELIUM_MARKET'] ?? readCredentials(foldersOf(env).config).current ?? DEFAULT_MARKET_URL;
  return url.replace(/\/+$/, '');
}

/** A client without a key, for public routes. */
export function connectAsStranger(context: CliContext, market: string | undefined): Client {
  return createClient({ baseUrl: marketUrlOf(context, market) });
}

/** A client with the account's key: `CELIUM_API_KEY`, or the one of the last login. Throws `UNAUTHENTICATED`. */
export function connectAsAccount(context: CliContext, market: string | undefined): Client {
  const baseUrl = marketUrlOf(context, market);
  const { env } = context.process;
  const apiKey = env['CELIUM_API_KEY'] ?? readCredentials(foldersOf(env).config).markets[baseUrl]?.apiKey;
  if (apiKey === undefined) throw new CeliumError('UNAUTHENTICATED', `You are not logged in to ${baseUrl}.`);
  return createClient({ baseUrl, apiKey });
}
