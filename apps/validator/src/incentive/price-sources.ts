/** Where price readings come from: a file or an HTTPS address per feed. What does not answer, or says nothing readable, is left out and named. */

import { readFile, stat } from 'node:fs/promises';
import { CeliumError, MAX_PRICE_FEED_BYTES, parseStrangersJson, priceFeed } from '@celium/contract';
import {
  followFeeds,
  printable,
  type IncentivePolicy,
  type PriceReading,
  type PriceReference,
  type PriceSource,
  type ReferenceStep,
} from '@celium/domain';

const FEED_TIMEOUT_MS = 10_000;

/** A feed in a file, as an operator or a cron job writes it. */
export function filePriceSource(name: string, path: string): PriceSource {
  return {
    name,
    async read() {
      const { size } = await stat(path);
      if (size > MAX_PRICE_FEED_BYTES) throw new CeliumError('BAD_REQUEST', `${name}: larger than a feed may be.`);
      return readingsOf(name, await readFile(path, 'utf8'));
    },
  };
}

/** A feed at an address; certificates are checked as browsers do, and no redirect is followed. `fetch_` is Node's fetch, or a test's. */
export function httpPriceSource(
  name: string,
  url: string,
  fetch_: typeof fetch,
  options: { allowPlain: boolean } = { allowPlain: false },
): PriceSource {
  const { protocol } = new URL(url);
  if (protocol !== 'https:' && !(options.allowPlain && protocol === 'http:'))
    throw new CeliumError('USAGE', `feed ${name}: ${url} is no https address.`);
  return {
    name,
    async read() {
      const signal = AbortSignal.timeout(FEED_TIMEOUT_MS);
      const answer = await fetch_(url, { redirect: 'error', signal });
      if (!answer.ok || answer.body === null)
        throw new CeliumError('BAD_REQUEST', `${name}: answered with status ${answer.status}.`);
      return readingsOf(name, await boundedText(name, answer.body));
    },
  };
}

async function boundedText(name: string, body: ReadableStream<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.byteLength;
    if (bytes > MAX_PRICE_FEED_BYTES) throw new CeliumError('BAD_REQUEST', `${name}: larger than a feed may be.`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function readingsOf(source: string, text: string): PriceReading[] {
  const feed = priceFeed.parse(parseStrangersJson(text));
  return feed.prices.map(({ gpuClass, microUsdPerHour }) => ({
    source,
    gpuClass,
    microUsdPerHour: BigInt(microUsdPerHour),
    observedAtMs: feed.observedAtMs,
  }));
}

/** One look at all feeds that the policy names; others are not asked. Each step keeps its readings with source and date. */
export async function lookAtFeeds(
  sources: readonly PriceSource[],
  references: readonly PriceReference[],
  nowMs: number,
  {
    feeds,
    policy,
  }: { feeds: readonly string[]; policy: Pick<IncentivePolicy, 'minimumFeeds' | 'priceChangePpmPerHour'> },
): Promise<{ steps: ReferenceStep[]; silent: string[] }> {
  const named = sources.filter(({ name }) => feeds.includes(name));
  const silent: string[] = [];
  const answers = await Promise.all(
    named.map(async (source) => {
      try {
        return await source.read();
      } catch (cause) {
        silent.push(`${source.name}: ${printable(cause instanceof Error ? cause.message : String(cause), 200)}`);
        return [];
      }
    }),
  );
  // A source speaks in its own name only, whatever its readings say.
  const readings = answers.flatMap((own, i) => own.map((reading) => ({ ...reading, source: named[i]!.name })));
  return { steps: references.map((reference) => followFeeds(reference, readings, nowMs, policy)), silent };
}
