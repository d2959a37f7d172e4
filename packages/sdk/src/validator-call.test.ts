/** Routes for validators are signed for the market's key, and signed again when only the clock was wrong. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createClient, type RequestSigning } from './client.ts';

const marketKey = 'ab'.repeat(32);
const receipt = {
  document: 'receipt' as const,
  version: 1,
  signer: 'cd'.repeat(32),
  signature: 'ef'.repeat(64),
  body: {
    receiptId: '7b5f3f9e-51b4-4a53-9a55-0b6b1f1f2b11',
    validator: '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY',
    hotkey: '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY',
    machineId: 'one',
    machineKey: marketKey,
    unit: 'cpu:one',
    grantHash: marketKey,
    hostKeyHash: marketKey,
    barrierId: '',
    blockNumber: 1,
    blockHash: marketKey,
    params: 'cgp1/params/1:cpu-demo',
    onboarding: true,
    transcriptHash: '',
    verdict: 'pass' as const,
    reason: { code: 'OK', message: '' },
    measured: {
      class: 'CPU',
      workPerSecond: 1,
      memoryBytes: 1,
      sweepBytesPerSecond: 1,
      walkHopsPerSecond: 1,
      int8OpsPerSecond: 1,
      proofMs: 1,
      deadlineMs: 1,
      rttMs: 1,
    },
    tested: 1,
    leased: 0,
    startedAtMs: 1,
    endedAtMs: 2,
  },
};

test('a signer that learns the time gets a refused request through at its second try', async () => {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(`${request.method} ${request.url} ${request.headers['x-celium-nonce'] ?? ''}`);
    response.setHeader('content-type', 'application/json');
    if (request.url === '/v1/market') {
      response.end(
        JSON.stringify({ publicKey: marketKey, feeBasisPoints: 1000, timeMs: 1, version: '0.1.0', netuid: 51 }),
      );
    } else if (request.headers['x-celium-nonce'] === 'first') {
      response.writeHead(401);
      const error = { code: 'REQUEST_EXPIRED', message: 'late', details: { clock: 'the signed time' } };
      response.end(JSON.stringify({ error }));
    } else {
      response.writeHead(201);
      response.end(JSON.stringify({ accepted: true }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const asked: unknown[] = [];
    const signer: RequestSigning = {
      async call(request, attempt, clockOf) {
        asked.push({ method: request.method, path: request.path, audience: request.audience });
        const first = await attempt({ 'x-celium-nonce': 'first' });
        expect(clockOf(first)).toBe('the signed time');
        return await attempt({ 'x-celium-nonce': 'second' });
      },
    };
    const client = createClient({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, signer });
    expect(await client.call('publishReceipt', { body: { receipt } })).toEqual({ accepted: true });
    expect(asked).toEqual([{ method: 'POST', path: '/v1/receipts', audience: marketKey }]);
    expect(paths).toEqual(['GET /v1/market ', 'POST /v1/receipts first', 'POST /v1/receipts second']);
  } finally {
    server.close();
  }
});

test('without a signer a route for validators is refused before anything is sent', async () => {
  const client = createClient({ baseUrl: 'http://127.0.0.1:1' });
  await expect(client.call('publishReceipt', { body: { receipt } })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});
