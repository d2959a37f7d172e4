/** Receipts reach their markets: signed for the market's key, repeated when an answer is lost, given up only for what no repetition mends. */

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { keyFromUri, MemoryNonceStore, RequestSigner, signDocument, verifyRequest } from '@celium/chain';
import { errorBody, CeliumError, type ErrorCode } from '@celium/contract';
import { proofParams } from '@celium/proof';
import { afterEach, expect, test } from 'vitest';
import { composeReceipt } from '../check/receipt.ts';
import { createNetwork } from '../network/json-over-http.ts';
import { openCheckBench, VALIDATOR, type CheckBench } from '../testing/check-bench.ts';
import { publishDue, type PublisherPorts } from './publisher.ts';

const market = keyFromUri('//market');
const marketKey = Buffer.from(market.publicKey).toString('hex');
const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

/** A market that answers `publishReceipt` with what `answers` says, one after the other, then well. */
async function startMarket(answers: Array<ErrorCode | 'lost'> = []): Promise<{ url: string; received: unknown[] }> {
  const received: unknown[] = [];
  const nonces = new MemoryNonceStore(Date.now);
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const say = (status: number, value: unknown): void => void response.writeHead(status).end(JSON.stringify(value));
      if (request.url === '/v1/market')
        return say(200, { publicKey: marketKey, feeBasisPoints: 1_000, timeMs: 1, version: '1', netuid: 51 });
      const parts = { method: 'POST', path: request.url ?? '', headers: request.headers, body };
      void verifyRequest(parts, { self: market, now: Date.now, nonces }).then((checked) => {
        const answer = checked.ok ? answers.shift() : checked.code;
        if (answer === 'lost') return response.destroy();
        if (answer !== undefined) return say(409, errorBody(new CeliumError(answer)));
        received.push((JSON.parse(body.toString()) as { receipt: unknown }).receipt);
        return say(201, { accepted: true });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

async function withReceipt(markets: Array<{ url: string; key: string }>) {
  const bench: CheckBench = openCheckBench();
  closers.push(() => bench.close());
  const grant = await bench.agent.leaseTo(VALIDATOR, bench.known.machine.units);
  const unit = bench.known.machine.units[0]!;
  const facts = {
    validator: VALIDATOR.ss58,
    hotkey: bench.known.hotkey,
    machineId: 'box',
    machineKey: bench.known.machine.machineKey,
    grant,
    hostKeyHash: '00'.repeat(32),
    barrierId: '',
    networkBarrier: false,
    blockNumber: 1,
    blockHash: '5a'.repeat(32),
    tested: 1,
    leased: 0,
    startedAtMs: 1,
    endedAtMs: 2,
  };
  const outcome = { kind: 'no-proof', code: 'SSH_UNREACHABLE', message: 'none' } as const;
  const body = composeReceipt(crypto.randomUUID(), unit, proofParams('micro', 'onboarding'), facts, outcome);
  const receipt = await signDocument('receipt', body, VALIDATOR);
  bench.ports.receipts.add(receipt, grant, markets, Date.now());
  let nowMs = Date.now();
  const lines: Array<Record<string, unknown>> = [];
  const ports: PublisherPorts = {
    clock: { ...bench.ports.clock, unixMs: () => nowMs },
    network: createNetwork({ allowPrivate: true }),
    signer: new RequestSigner(VALIDATOR, { now: Date.now, randomBytes }),
    receipts: bench.ports.receipts,
    report: (line) => void lines.push(line),
  };
  const later = (ms: number): void => void (nowMs += ms);
  return { ports, receipt, later, lines, counts: () => bench.ports.receipts.counts() };
}

test('a receipt is published once to each market, whether its key was known or is asked for', async () => {
  const one = await startMarket();
  const two = await startMarket();
  const { ports, receipt, counts } = await withReceipt([
    { url: one.url, key: marketKey },
    { url: two.url, key: '' },
  ]);
  expect(await publishDue(ports)).toBe(2);
  expect(await publishDue(ports)).toBe(0);
  expect(one.received).toEqual([receipt]);
  expect(two.received).toEqual([receipt]);
  expect(counts()).toMatchObject({ waiting: 0, givenUp: 0 });
});

test('a lost answer or a market that is away is tried again later, not at once', async () => {
  const { url, received } = await startMarket(['lost', 'RATE_LIMITED']);
  const { ports, later, lines } = await withReceipt([{ url, key: marketKey }]);
  expect(await publishDue(ports)).toBe(0);
  expect(await publishDue(ports)).toBe(0);
  later(1_500);
  expect(await publishDue(ports)).toBe(0);
  later(10_000);
  expect(await publishDue(ports)).toBe(1);
  expect(received).toHaveLength(1);
  expect(lines).toHaveLength(1);
});

test('a market that is away is asked once per pause, however many receipts wait for it, and keeps no other waiting', async () => {
  const { url, received } = await startMarket();
  const dead = 'http://127.0.0.1:1';
  const { ports, receipt, lines } = await withReceipt([{ url: dead, key: marketKey }]);
  const { grant } = ports.receipts.find(receipt.body.receiptId)!;
  const markets = [
    { url: dead, key: marketKey },
    { url, key: '' },
  ];
  for (let count = 0; count < 100; count += 1) {
    const another = await signDocument('receipt', { ...receipt.body, receiptId: crypto.randomUUID() }, VALIDATOR);
    ports.receipts.add(another, grant, markets, ports.clock.unixMs());
  }
  while ((await publishDue(ports)) > 0);
  expect(received).toHaveLength(100);
  // What was in one batch with the first that failed.
  expect(lines.length).toBeLessThanOrEqual(64);
});

test('a market that has the receipt already has accepted it', async () => {
  const { url } = await startMarket(['CONFLICT']);
  const { ports, counts } = await withReceipt([{ url, key: marketKey }]);
  expect(await publishDue(ports)).toBe(1);
  expect(counts().waiting).toBe(0);
});

test('a refusal that no repetition mends is given up and said', async () => {
  const { url } = await startMarket(['BAD_REQUEST']);
  const { ports, counts, lines } = await withReceipt([{ url, key: marketKey }]);
  expect(await publishDue(ports)).toBe(0);
  expect(counts()).toMatchObject({ waiting: 0, givenUp: 1 });
  expect(lines[0]).toMatchObject({ status: 'failed' });
});

test('a market key that a manifest made up gets nothing out of the market', async () => {
  const { url, received } = await startMarket();
  const { ports, counts } = await withReceipt([{ url, key: 'ab'.repeat(32) }]);
  expect(await publishDue(ports)).toBe(0);
  expect(received).toEqual([]);
  expect(counts().waiting).toBe(1);
});
