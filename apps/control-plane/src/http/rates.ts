/** How many requests of which kind are let through. The numbers are here; who counts together is said by the bucket's name. */
import { createHash } from 'node:crypto';
import { CeliumError, type RateClass } from '@celium/contract';
import type { Queries } from '../database/market-database.ts';
import { clearRate, takeRate } from './rates.store.ts';
import type { Caller } from './handlers.ts';

/** Limits per class: `count` requests in `windowMs` milliseconds. */
export const RATE_LIMITS: Record<RateClass, { count: number; windowMs: number }> = {
  read: { count: 1_200, windowMs: 60_000 },
  write: { count: 240, windowMs: 60_000 },
  login: { count: 5, windowMs: 15 * 60_000 },
  rent: { count: 10, windowMs: 60_000 },
};
/** Log-ins and sign-ups of one address, whatever the e-mail: against trying one password on many accounts. */
const LOGIN_PER_ADDRESS = { count: 300, windowMs: 15 * 60_000 };

/** Refuses with RATE_LIMITED and `details.retryAfterSeconds` when a request is one too many. */
export async function countRequest(
  db: Queries,
  nowMs: number,
  request: { rateClass: RateClass; caller: Caller; ip: string; email: string | null },
): Promise<void> {
  if (request.rateClass === 'login') await count(db, nowMs, `login-address:${request.ip}`, LOGIN_PER_ADDRESS);
  await count(db, nowMs, bucketOf(request), RATE_LIMITS[request.rateClass]);
}

/** Forgets the tries of an address at an e-mail after the right password. */
export async function forgiveLogin(db: Queries, ip: string, email: string): Promise<void> {
  await clearRate(db, loginBucket(ip, email));
}

async function count(
  db: Queries,
  nowMs: number,
  bucket: string,
  limit: { count: number; windowMs: number },
): Promise<void> {
  const waitMs = await takeRate(db, bucket, nowMs, limit);
  if (waitMs === 0) return;
  const retryAfterSeconds = Math.ceil(waitMs / 1_000);
  throw new CeliumError(
    'RATE_LIMITED',
    `more than ${limit.count} requests of this kind in ${limit.windowMs / 60_000} min: try again in ${retryAfterSeconds} s`,
    { details: { retryAfterSeconds } },
  );
}

function bucketOf(request: { rateClass: RateClass; caller: Caller; ip: string; email: string | null }): string {
  if (request.rateClass === 'login') return loginBucket(request.ip, request.email ?? '');
  switch (request.caller.kind) {
    case 'account':
      return `${request.rateClass}:account:${request.caller.accountId}`;
    case 'validator':
      return `${request.rateClass}:validator:${request.caller.hotkey}`;
    case 'operator':
      return `${request.rateClass}:operator`;
    case 'public':
      return `${request.rateClass}:address:${request.ip}`;
  }
}

function loginBucket(ip: string, email: string): string {
  // Hashed: the table of counters is no list of who has an account.
  const who = createHash('sha256').update(`${ip}\n${email.toLowerCase()}`).digest('hex');
  return `login:${who}`;
}
