/** Checks before a hand-over: a market that a machine lists may ask for one, a few at a time, and gets the receipts of it. */

import type { FastifyInstance } from 'fastify';
import { verifyRequest, type KeySigner, type NonceStore } from '@celium/chain';
import { CeliumError, handOverAsk, VALIDATOR_API, type HandOverAnswer } from '@celium/contract';
import { HAND_OVER_CHECK_MS, printable } from '@celium/domain';
import type { CheckReport } from '../check/check-machine.ts';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { ValidatorClock } from '../ports.ts';

/** What these checks need from outside. */
export interface HandOverPorts {
  machineOf: (machineKey: string) => KnownMachine | null;
  /** A check ahead of all others; never rejects. */
  checkNow: (
    machineKey: string,
    units: readonly string[],
    deadlineMs: number,
    signal: AbortSignal,
  ) => Promise<CheckReport>;
  /** Ends what is asked for when the validator stops. */
  signal: AbortSignal;
}

const MAX_ASK_BYTES = 8_192;
/** What one market may have under way, and ask for in a minute. */
const MOST_AT_ONCE = 8;
const MOST_A_MINUTE = 60;
const MINUTE_MS = 60_000;
/** Markets that are counted; beyond, the counts begin anew. */
const MOST_MARKETS = 10_000;

/** The route, with a reader of its own for the body: the signature covers the bytes as they came. */
export function handOverRoutes(
  own: { clock: ValidatorClock; hotkey: KeySigner },
  ports: HandOverPorts,
  nonces: NonceStore,
): (scope: FastifyInstance) => Promise<void> {
  const asks = new Map<string, { sinceMs: number; count: number; running: number }>();
  const admit = (market: string): (() => void) => {
    const nowMs = own.clock.nowMs();
    if (asks.size >= MOST_MARKETS) asks.clear();
    const known = asks.get(market) ?? { sinceMs: nowMs, count: 0, running: 0 };
    if (nowMs - known.sinceMs > MINUTE_MS) Object.assign(known, { sinceMs: nowMs, count: 0 });
    if (known.count >= MOST_A_MINUTE || known.running >= MOST_AT_ONCE)
      throw new CeliumError('RATE_LIMITED', 'This market asks for more checks than there is room for.');
    known.count += 1;
    known.running += 1;
    asks.set(market, known);
    return () => void (known.running -= 1);
  };
  return async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    scope.post(VALIDATOR_API.checks, { bodyLimit: MAX_ASK_BYTES }, async (request): Promise<HandOverAnswer> => {
      const { method, url: path, headers } = request;
      const body = request.body as string;
      const recipient = { self: own.hotkey, now: () => own.clock.unixMs(), nonces };
      const verified = await verifyRequest({ method, path, headers, body }, recipient);
      if (!verified.ok) {
        const { code, message, clock } = verified;
        throw new CeliumError(code, message, clock === undefined ? {} : { details: { clock } });
      }
      const { machineKey, units, deadlineMs } = handOverAsk.parse(parseJson(body));
      const known = ports.machineOf(machineKey);
      if (known === null)
        throw new CeliumError('NOT_FOUND', 'No manifest that this validator knows lists this machine.');
      if (!known.machine.markets.some(({ key }) => key === verified.signer))
        throw new CeliumError('FORBIDDEN', 'Only a market that the machine’s manifest lists may ask for its check.');
      const release = admit(verified.signer);
      try {
        const untilMs = Math.min(deadlineMs, own.clock.unixMs() + HAND_OVER_CHECK_MS);
        return answerOf(await ports.checkNow(machineKey, units, untilMs, ports.signal));
      } finally {
        release();
      }
    });
  };
}

function answerOf(report: CheckReport): HandOverAnswer {
  if (report.kind === 'checked')
    return { outcome: 'CHECKED', message: '', receipts: report.units.map(({ receipt }) => receipt) };
  return { outcome: report.code.slice(0, 64), message: printable(report.message, 300), receipts: [] };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CeliumError('BAD_REQUEST', 'The body is no JSON.');
  }
}
