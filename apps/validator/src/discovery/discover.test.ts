/** Where machines are found: axons of the metagraph, over HTTPS with any certificate, and markets; bad sources harm nobody else. */

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { keyFromUri, signDocument } from '@celium/chain';
import { afterEach, expect, test } from 'vitest';
import { createNetwork } from '../network/json-over-http.ts';
import { openCheckBench, type CheckBench } from '../testing/check-bench.ts';
import { LocalAgent } from '../testing/local-agent.ts';
import { Discovery, type AxonNeuron, type DiscoveryPorts } from './discover.ts';
import { ManifestDirectory } from './manifest-directory.ts';

const pem = readFileSync(new URL('../testing/golden/tls.pem', import.meta.url), 'utf8');
const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

async function serve(answer: (path: string) => unknown, secure: boolean): Promise<number> {
  const handle: http.RequestListener = (request, response) => {
    const value = answer(request.url ?? '');
    response.statusCode = value === undefined ? 404 : 200;
    response.end(typeof value === 'string' ? value : JSON.stringify(value ?? {}));
  };
  const server = secure ? https.createServer({ key: pem, cert: pem }, handle) : http.createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function discover(neurons: AxonNeuron[], markets: string[], allowPrivate = true) {
  const bench: CheckBench = openCheckBench();
  closers.push(() => bench.close());
  const lines: string[] = [];
  const directory = new ManifestDirectory(bench.database);
  const ports: DiscoveryPorts = {
    clock: bench.ports.clock,
    network: createNetwork({ allowPrivate }),
    directory,
    neurons: async () => neurons,
    netuid: 51,
    markets,
    report: (line) => void lines.push(`${String(line['status'])}: ${String(line['detail'])}`),
  };
  return { discovery: new Discovery(ports), ports, directory, lines };
}

const one = new LocalAgent({ nowMs: () => 1, name: 'one' });
const two = new LocalAgent({ nowMs: () => 1, name: 'two' });

test('machines come from axons and from markets, also those of hotkeys without a UID', async () => {
  const manifests = { one: await one.manifest(), two: await two.manifest() };
  const axon = await serve((path) => (path === '/v1/manifest' ? manifests.one : undefined), true);
  const market = await serve(
    (path) => (path === '/v1/machines' ? { machines: [], manifests: [manifests.two] } : undefined),
    false,
  );
  const neuron = { hotkey: one.provider.ss58, axon: { ip: '127.0.0.1', port: axon } };
  const { discovery, directory } = discover([neuron, { hotkey: two.provider.ss58 }], [`http://127.0.0.1:${market}`]);
  await discovery.run();
  expect(directory.machines().map((known) => known.machine.machineId)).toEqual(['one', 'two'].toSorted(byHotkey));
});

function byHotkey(a: string, b: string): number {
  const keys: Record<string, string> = { one: one.provider.ss58, two: two.provider.ss58 };
  return (keys[a] ?? '') < (keys[b] ?? '') ? -1 : 1;
}

test('a source that lies, is malformed or is away is said once and keeps nobody else out', async () => {
  const good = await one.manifest();
  const forged = await signDocument('manifest', good.body, keyFromUri('//thief'));
  const garbage = await serve(() => '<html>', true);
  const stolen = await serve(() => good, true);
  const market = await serve(() => ({ machines: [], manifests: [forged, { a: 1 }, good] }), false);
  const neurons = [
    { hotkey: keyFromUri('//a').ss58, axon: { ip: '127.0.0.1', port: garbage } },
    { hotkey: keyFromUri('//b').ss58, axon: { ip: '127.0.0.1', port: stolen } },
    { hotkey: keyFromUri('//c').ss58, axon: { ip: '127.0.0.1', port: 1 } },
  ];
  const { discovery, directory, lines } = discover(neurons, [`http://127.0.0.1:${market}`]);
  await discovery.run();
  expect(directory.machines().map((known) => known.hotkey)).toEqual([one.provider.ss58]);
  const failed = lines.filter((line) => line.startsWith('failed'));
  expect(failed).toHaveLength(5);
  await discovery.run();
  expect(lines.filter((line) => line.startsWith('failed'))).toHaveLength(5);
});

test('an axon whose manifests are refused is asked ever less often, and as often as others once one is good', async () => {
  const good = await one.manifest();
  let asked = 0;
  let answer: unknown = { body: 'x'.repeat(100_000) };
  const port = await serve(() => {
    asked += 1;
    return answer;
  }, true);
  let nowMs = 0;
  const { ports } = discover([{ hotkey: one.provider.ss58, axon: { ip: '127.0.0.1', port } }], []);
  const discovery = new Discovery({ ...ports, clock: { ...ports.clock, nowMs: () => nowMs } });
  const askedWithin = async (durationMs: number): Promise<number> => {
    const before = asked;
    for (const untilMs = nowMs + durationMs; nowMs < untilMs; nowMs += 15_000) await discovery.run();
    return asked - before;
  };
  expect(await askedWithin(20 * 60_000)).toBe(7);
  answer = good;
  expect(await askedWithin(11 * 60_000)).toBeGreaterThan(0);
  expect(await askedWithin(4 * 60_000)).toBe(4);
});

test('a private axon or market is not visited without --allow-private', async () => {
  let visits = 0;
  const port = await serve(() => (visits += 1), true);
  const neuron = { hotkey: one.provider.ss58, axon: { ip: '127.0.0.1', port } };
  const { discovery, lines } = discover([neuron], [`https://127.0.0.1:${port}`], false);
  await discovery.run();
  expect(visits).toBe(0);
  expect(lines.join()).toContain('--allow-private');
});

test('a chain that is away does not keep markets from being read', async () => {
  const manifest = await two.manifest();
  const market = await serve(() => ({ machines: [], manifests: [manifest] }), false);
  const { ports, directory } = discover([], [`http://127.0.0.1:${market}`]);
  await new Discovery({ ...ports, neurons: () => Promise.reject(new Error('gone')) }).run();
  expect(directory.machines()).toHaveLength(1);
});
