/** Asking validators for a check, one after the other: the next when one cannot, or is silent for a while, until something is decided. */
import {
  CeliumError,
  VALIDATOR_API,
  handOverAnswer,
  parseStrangersJson,
  type HandOverAnswer,
  type HandOverAsk,
} from '@celium/contract';
import { RequestSigner, clockOfErrorBody, decodeSs58, toHex } from '@celium/chain';
import type { Clock, MarketPorts, ValidatorAddress } from '../ports.ts';

/** A receipt has at most 2 kB, an answer at most 64 of them, and a little around them. */
const MAX_ANSWER_BYTES = 64 * 4_096;
/** How long one may be silent until the next is asked as well, in milliseconds. Who checks takes longer; then the next finds the units busy. */
const PATIENCE_MS = 10_000;

/** Asks one validator; throws when it does not answer as one, with what it said in the message's place when it refused. */
export async function askForCheck(
  ports: Pick<MarketPorts, 'clock' | 'randomness' | 'key' | 'postJson'>,
  validator: ValidatorAddress,
  ask: HandOverAsk,
  signal: AbortSignal,
): Promise<HandOverAnswer> {
  const { clock, randomness, key, postJson } = ports;
  const signer = new RequestSigner(key, { now: () => clock.now(), randomBytes: (length) => randomness.bytes(length) });
  const body = JSON.stringify(ask);
  const audience = toHex(decodeSs58(validator.hotkey));
  const said = await signer.call(
    { method: 'POST', path: VALIDATOR_API.checks, body, audience },
    async (headers) => {
      const url = `${validator.url}${VALIDATOR_API.checks}`;
      const { text } = await postJson({ url, headers, body, maxBytes: MAX_ANSWER_BYTES, signal });
      return parseStrangersJson(text);
    },
    clockOfErrorBody,
  );
  const answer = handOverAnswer.safeParse(said);
  if (answer.success) return answer.data;
  const code = (said as { error?: { code?: unknown } } | null)?.error?.code;
  throw new CeliumError('CONFLICT', typeof code === 'string' ? code : 'no answer of a validator');
}

/**
 * Runs `ask` for one candidate after the other, the next as soon as one is done without a decision or has taken `PATIENCE_MS`; those before
 * stay asked. Ends when `isDecided` says so after one is done, when all are done, or when the signal fires. `ask` never rejects.
 */
export async function askInTurn<Candidate>(
  candidates: readonly Candidate[],
  ask: (candidate: Candidate) => Promise<void>,
  isDecided: () => Promise<boolean>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const open = new Set<Promise<void>>();
  const waiting = [...candidates];
  while (!signal.aborted) {
    const next = waiting.shift();
    if (next !== undefined) {
      const asked = ask(next).finally(() => open.delete(asked));
      open.add(asked);
    }
    if (open.size === 0) return;
    const woken = new AbortController();
    const rest = AbortSignal.any([signal, woken.signal]);
    const patience = waiting.length > 0 ? clock.sleep(PATIENCE_MS, rest) : aborted(rest);
    await Promise.race([...open, patience]);
    woken.abort();
    if (await isDecided()) return;
  }
}

/** Resolves when the signal fires. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
