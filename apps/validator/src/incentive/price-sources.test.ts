/** Feeds from files and over HTTP: recorded samples are read with their dates, and what is broken, too large or silent is left out by name. */
import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAX_PRICE_FEED_BYTES } from '@celium/contract';
import { anchorReference } from '@celium/domain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filePriceSource, httpPriceSource, lookAtFeeds } from './price-sources.ts';

const T = 1_790_000_000_000;
const HOUR_MS = 3_600_000;
const sample = (name: string) => filePriceSource(name, join(import.meta.dirname, 'samples', `${name}.json`));
const feeds = ['first', 'second', 'third'];
const policy = { minimumFeeds: 3, priceChangePpmPerHour: 20_000n };
const h200 = anchorReference('H200', 2_480_000n, T - HOUR_MS);
const b200 = anchorReference('B200', 4_500_000n, T - HOUR_MS);

let folder: string;
let server: Server;
let address: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'celium-feeds-'));
  server = createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/feed' }).end();
    else if (request.url === '/large') response.end(Buffer.alloc(MAX_PRICE_FEED_BYTES + 1, 32));
    else if (request.url === '/feed') {
      const prices = [{ gpuClass: 'H200', microUsdPerHour: '2400000' }];
      response.end(JSON.stringify({ form: 'celium/price-feed/1', about: 'a test', observedAtMs: T, prices }));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await new Promise((resolve) => void server.close(resolve));
});
const http = (name: string, path: string) => httpPriceSource(name, `${address}${path}`, fetch, { allowPlain: true });

test('three recorded samples give a median with source and date of each', async () => {
  const { steps, silent } = await lookAtFeeds(feeds.map(sample), [h200], T, { feeds, policy });
  expect(silent).toEqual([]);
  expect(steps[0]!.reference).toMatchObject({
    microUsdPerHour: 2_500_000n,
    readings: [
      { source: 'third', microUsdPerHour: 2_325_000n, observedAtMs: T - 2 * HOUR_MS },
      { source: 'first', microUsdPerHour: 2_500_000n, observedAtMs: T },
      { source: 'second', microUsdPerHour: 2_650_000n, observedAtMs: T - HOUR_MS / 2 },
    ],
  });
});

test('a class that only two feeds name does not move', async () => {
  const { steps } = await lookAtFeeds(feeds.map(sample), [b200], T, { feeds, policy });
  expect(steps[0]).toMatchObject({ medianMicroUsdPerHour: null, reference: { microUsdPerHour: 4_500_000n } });
});

test('feeds that the policy does not name are not heard', async () => {
  const { steps } = await lookAtFeeds([...feeds.map(sample), http('fourth', '/feed')], [h200], T, { feeds, policy });
  expect(steps[0]!.reference.readings).toHaveLength(3);
});

test('a feed over HTTP speaks like one in a file', async () => {
  const sources = [sample('first'), sample('second'), http('third', '/feed')];
  const { steps } = await lookAtFeeds(sources, [h200], T, { feeds, policy });
  expect(steps[0]!.reference.readings.map(({ source }) => source)).toEqual(['third', 'first', 'second']);
});

test.each([
  ['is not there', () => filePriceSource('third', join(folder, 'nothing.json'))],
  ['is no JSON', () => written('broken.json', 'prices: many')],
  ['is of another form', () => written('other.json', '{"form":"celium/price-feed/2"}')],
  ['has a price that is no number', () => written('price.json', feedText('2.5'))],
  ['is nested without end', () => written('nested.json', '['.repeat(100_000))],
  ['is gigantic', () => written('large.json', ' '.repeat(MAX_PRICE_FEED_BYTES + 1))],
  ['is gigantic over HTTP', () => http('third', '/large')],
  ['answers with an error', () => http('third', '/gone')],
  ['sends one elsewhere', () => http('third', '/moved')],
])('a feed that %s is silent, is named, and nothing moves', async (_what, make) => {
  const { steps, silent } = await lookAtFeeds([sample('first'), sample('second'), make()], [h200], T, {
    feeds,
    policy,
  });
  expect(silent).toHaveLength(1);
  expect(silent[0]).toMatch(/^third: /);
  expect(steps[0]!.reference.microUsdPerHour).toBe(2_480_000n);
});

test('an address without TLS is refused before anything is asked', () => {
  expect(() => httpPriceSource('first', 'http://feed.example/prices', fetch)).toThrow(/no https address/);
});

function written(file: string, text: string) {
  writeFileSync(join(folder, file), text);
  return filePriceSource('third', join(folder, file));
}

function feedText(microUsdPerHour: string): string {
  const prices = [{ gpuClass: 'H200', microUsdPerHour }];
  return JSON.stringify({ form: 'celium/price-feed/1', about: '', observedAtMs: T, prices });
}
