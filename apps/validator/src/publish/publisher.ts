/** Carries receipts from the outbox to markets: signed, repeated with growing pauses, given up only for what no repetition mends. */

import { clockOfErrorBody, type RequestSigner } from '@celium/chain';
import { CeliumError, ROUTES } from '@celium/contract';
import type { JsonAnswer, NetworkPort, Report, ValidatorClock } from '../ports.ts';
import type { OutboxItem, ReceiptBook } from '../state/receipt-book.ts';

/** What publishing needs from outside. */
export interface PublisherPorts {
  clock: ValidatorClock;
  network: NetworkPort;
  signer: RequestSigner;
  receipts: ReceiptBook;
  report: Report;
}

const CALL_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 65_536;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
/** With the longest pause between the later ones: about a day. */
const MAX_ATTEMPTS = 300;
const BATCH = 64;

/** Publishes what is due, one batch. Returns how many went through. Never rejects. */
export async function publishDue(ports: PublisherPorts): Promise<number> {
  const due = ports.receipts.due(ports.clock.unixMs(), BATCH);
  const sent = await Promise.all(due.map((item) => publishOne(ports, item)));
  return sent.filter(Boolean).length;
}

async function publishOne(ports: PublisherPorts, item: OutboxItem): Promise<boolean> {
  let fault: { code: string; message: string; final: boolean };
  try {
    const key = item.market.key === '' ? await keyOfMarket(ports.network, item.market.url) : item.market.key;
    const answer = await post(ports, item.market.url, key, item.receipt);
    const code = codeOf(answer);
    // A conflict says that the market has this receipt already: an earlier answer was lost on the way.
    if (answer.status === routeOf(item.receipt).status || code === 'CONFLICT') {
      ports.receipts.noteSent(item.id);
      return true;
    }
    fault = { code, message: `HTTP ${answer.status}`, final: FINAL.has(code) };
  } catch (cause) {
    const code = cause instanceof CeliumError ? cause.code : 'MARKET_UNAVAILABLE';
    fault = { code, message: cause instanceof Error ? cause.message : String(cause), final: false };
  }
  const givenUp = fault.final || item.attempts + 1 >= MAX_ATTEMPTS;
  const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(item.attempts, 20), LONGEST_PAUSE_MS);
  const words = `${fault.code}: ${fault.message}`;
  const nextAtMs = ports.clock.unixMs() + pauseMs;
  ports.receipts.noteNotSent(item.id, words, givenUp ? null : nextAtMs);
  if (!fault.final) ports.receipts.restMarket(item.market.url, nextAtMs);
  if (item.attempts === 0 || givenUp) {
    const detail = `${item.market.url}: ${words}${givenUp ? '; not tried again' : ''}`;
    ports.report({ event: 'step', name: 'publish receipt', status: 'failed', detail });
  }
  return false;
}

/** Refusals that the same receipt gets again. */
const FINAL: ReadonlySet<string> = new Set(['BAD_REQUEST', 'DOCUMENT_UNKNOWN', 'SIGNATURE_WRONG']);

/** A market's public key, as it names it itself. Throws `MARKET_UNAVAILABLE`. */
async function keyOfMarket(network: NetworkPort, url: string): Promise<string> {
  const answer = await network.request({
    method: 'GET',
    url: `${url}${ROUTES.getMarket.path}`,
    timeoutMs: CALL_TIMEOUT_MS,
    maxBytes: MAX_ANSWER_BYTES,
  });
  const market = ROUTES.getMarket.reply.safeParse(answer.json);
  if (answer.status !== 200 || !market.success)
    throw new CeliumError('MARKET_UNAVAILABLE', `${url} does not say who it is (HTTP ${answer.status}).`);
  return market.data.publicKey;
}

function post(
  ports: PublisherPorts,
  marketUrl: string,
  audience: string,
  receipt: OutboxItem['receipt'],
): Promise<JsonAnswer> {
  const url = new URL(`${marketUrl}${routeOf(receipt).path}`);
  const body = JSON.stringify({ receipt });
  return ports.signer.call(
    { method: 'POST', path: `${url.pathname}${url.search}`, body, audience },
    (headers) =>
      ports.network.request({
        method: 'POST',
        url: url.href,
        headers,
        body,
        timeoutMs: CALL_TIMEOUT_MS,
        maxBytes: MAX_ANSWER_BYTES,
      }),
    (answer) => clockOfErrorBody(answer.json),
  );
}

/** Each kind of receipt has its own door. */
function routeOf(receipt: OutboxItem['receipt']): { path: string; status: number } {
  return receipt.document === 'receipt' ? ROUTES.publishReceipt : ROUTES.publishMachineReceipt;
}

function codeOf(answer: JsonAnswer): string {
  const code = (answer.json as { error?: { code?: unknown } } | null)?.error?.code;
  return typeof code === 'string' ? code.slice(0, 64) : `HTTP_${answer.status}`;
}
