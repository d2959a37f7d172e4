/** Turns what went wrong on the way, or what a market refused, into one error with a code, words and a remedy. */

import { CeliumError, ERRORS, type ErrorCode } from '@celium/contract';

/** The error of an answer that is not the good one. Bodies of other servers (a proxy's page) get the nearest code. */
export function faultOfAnswer(
  operationId: string,
  answer: { status: number; json: unknown; requestId: string | null },
): CeliumError {
  const error = (answer.json as { error?: unknown } | null)?.error as
    | { code?: unknown; message?: unknown; details?: unknown }
    | undefined;
  const internal = `${operationId}: HTTP ${answer.status}${answer.requestId === null ? '' : `, request ${answer.requestId}`}`;
  if (typeof error?.code === 'string' && error.code in ERRORS) {
    const code = error.code as ErrorCode;
    const message = typeof error.message === 'string' ? error.message : ERRORS[code].meaning;
    const withRequest =
      code === 'INTERNAL' && answer.requestId !== null ? `${message} (request ${answer.requestId})` : message;
    const details =
      typeof error.details === 'object' && error.details !== null
        ? (error.details as Record<string, unknown>)
        : undefined;
    return new CeliumError(code, withRequest, details === undefined ? { internal } : { internal, details });
  }
  return new CeliumError(
    codeOfStatus(answer.status),
    `The market answered ${operationId} with HTTP ${answer.status} and no reason that this client knows.`,
    { internal },
  );
}

/** The error of a request that had no answer at all. */
export function faultOfNetwork(
  operationId: string,
  baseUrl: string,
  timeoutMs: number,
  timedOut: boolean,
  cause: unknown,
): CeliumError {
  if (timedOut) {
    const seconds = Math.round(timeoutMs / 1000);
    return new CeliumError('TIMEOUT', `${baseUrl} did not answer ${operationId} within ${seconds} s.`, { cause });
  }
  return new CeliumError('MARKET_UNAVAILABLE', `The market at ${baseUrl} does not answer: ${reasonOf(cause)}.`, {
    cause,
  });
}

/** True for answers that say "not now" and promise that nothing was done. */
export function isWorthRetrying(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/** The `retry-after` header in milliseconds, when it gives seconds. */
export function retryAfterMs(header: string | null): number | undefined {
  return header !== null && /^[0-9]{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  if (status === 404) return 'NOT_FOUND';
  if (status === 409) return 'CONFLICT';
  if (status === 429) return 'RATE_LIMITED';
  if (status === 502 || status === 503 || status === 504) return 'MARKET_UNAVAILABLE';
  return status >= 500 ? 'INTERNAL' : 'BAD_REQUEST';
}

/** `fetch` hides the reason in a chain of causes; the innermost code says most. */
function reasonOf(fault: unknown): string {
  let reason = String(fault);
  let inner: unknown = fault;
  for (let depth = 0; depth < 5 && inner instanceof Error; depth += 1) {
    const code = (inner as { code?: unknown }).code;
    if (code === 'ECONNREFUSED') return 'nothing listens there (ECONNREFUSED)';
    if (code === 'ENOTFOUND') return 'no such host (ENOTFOUND)';
    reason = `${inner.message}${typeof code === 'string' ? ` (${code})` : ''}`;
    inner = inner.cause;
  }
  return reason;
}
