/** This validator as a vantage point, over real HTTP and a pod's real ports: who may ask, what is answered, and what an asker believes of it. */

import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { checkDoubleGrant, keyFromUri, RequestSigner, signDocument, toHex, type KeyPair } from '@celium/chain';
import {
  DOUBLE_GRANT_FILE_FORM,
  doubleGrantFileSchema,
  VALIDATOR_API,
  type DoubleGrantFile,
  type VantageAsk,
} from '@celium/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemTime } from '../clock.ts';
import { ManifestDirectory } from '../discovery/manifest-directory.ts';
import { PodSession } from '../machine-check/pod-session.ts';
import { createDialer, type Dialer } from '../machine-check/port-probe.ts';
import { askVantage, VantageDesk, vantagesOf } from '../machine-check/vantage.ts';
import { createNetwork } from '../network/json-over-http.ts';
import type { NetworkPort } from '../ports.ts';
import { VerificationDesk } from '../renters/verification-desk.ts';
import { Inventories } from '../state/inventories.ts';
import { MachineBook } from '../state/machine-book.ts';
import { UnitRegistry } from '../state/unit-registry.ts';
import { openCheckBench, VALIDATOR, type CheckBench } from '../testing/check-bench.ts';
import { createLocalShells } from '../testing/local-shells.ts';
import { addMachineRoutes } from './machine-routes.ts';
import { createApi } from './server.ts';

const PERMITTED = keyFromUri('//permitted');
const STRANGER = keyFromUri('//stranger');
const POD = [fileURLToPath(new URL('../../../prover/src/main.ts', import.meta.url)), '--machine'];
const HERE = { latitude: 60.17, longitude: 24.94 };
const PAYLOAD_BYTES = 200_000;
const network = createNetwork({ allowPrivate: true });
const secret = randomBytes(32);

let bench: CheckBench;
let api: ReturnType<typeof createApi>;
let url: string;
let pod: PodSession;
let podPort: number;
/** Called before each connection to a pod. */
let beforeDial = async (): Promise<void> => {};

beforeAll(async () => {
  bench = openCheckBench({ clock: systemTime });
  const { ports, known, database } = bench;
  const dialer: Dialer = {
    async dial(...to) {
      await beforeDial();
      return createDialer(true).dial(...to);
    },
  };
  const machineOf = (): null => null;
  const directory = new ManifestDirectory(database);
  api = createApi({
    ...ports,
    registry: new UnitRegistry(database, directory),
    inventories: new Inventories(database),
    barriers: { mayJoin: () => false, statement: async () => null },
    status: () => ({}),
    desk: new VerificationDesk({ ...ports, machineOf }),
    handOvers: {
      machineOf,
      checkNow: () => Promise.reject(new Error(`nobody checks ${known.hotkey}`)),
      signal: new AbortController().signal,
    },
  });
  addMachineRoutes(api, {
    ...ports,
    machineBook: new MachineBook(database, ports.receipts),
    vantageDesk: new VantageDesk({ ...ports, dialer, coordinates: HERE }),
    mayAsk: (ss58) => ss58 === PERMITTED.ss58,
  });
  url = await api.listen({ host: '127.0.0.1', port: 0 });
  podPort = await freePort();
  const connection = await createLocalShells({ program: POD }).connect(
    { host: '127.0.0.1', port: 22, hostKey: 'ssh-ed25519 AAAA', clientKey: ports.shells.newClientKey() },
    new AbortController().signal,
  );
  if (!('openShell' in connection)) throw new Error('no shell');
  pod = new PodSession(await connection.openShell(), systemTime);
  await pod.start(['prover']);
  await pod.listen(secret, [podPort]);
});
afterAll(async () => {
  pod.end();
  await api.close();
  bench.close();
});

const asker = (key: KeyPair): RequestSigner => new RequestSigner(key, { now: Date.now, randomBytes });
const point = {
  get url() {
    return url;
  },
  key: toHex(VALIDATOR.publicKey),
};
const target = () => ({ host: '127.0.0.1', port: podPort, podPort, secret });

/** A question over HTTP as any key may sign it, or nobody. */
async function post(body: unknown, key: KeyPair | null, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const path = VALIDATOR_API.vantage;
  const signed =
    key === null ? headers : await asker(key).sign({ method: 'POST', path, body: text, audience: point.key });
  const ask = { method: 'POST', url: `${url}${path}`, headers: signed, body: text } as const;
  const { status, json } = await network.request({ ...ask, timeoutMs: 60_000, maxBytes: 8_192 });
  return { status, code: (json as { error?: { code: string } }).error?.code, headers: signed };
}

function question(changes: Partial<VantageAsk> = {}): VantageAsk {
  const nonce = toHex(randomBytes(32));
  return { nonce, host: '127.0.0.1', port: podPort, podPort, secret: toHex(secret), payloadBytes: 0, ...changes };
}

test('a validator with a permit gets what was measured: the pod itself answered, payloads went both ways, and the place is named', async () => {
  const report = await askVantage({ network, signer: asker(PERMITTED), randomBytes }, point, target(), PAYLOAD_BYTES);
  expect(report).toMatchObject({ reached: true, port: podPort, coordinates: HERE });
  expect(report?.rttMinMs).toBeGreaterThan(0);
  expect(report?.upBytesPerSecond).toBeGreaterThan(0);
  expect(report?.downBytesPerSecond).toBeGreaterThan(0);
});

test('a conviction for a double grant is there for everybody to repeat; of another machine there is none', async () => {
  const { machineKey } = bench.known.machine;
  const get = async (key: string) => {
    const ask = { method: 'GET', url: `${url}/v1/double-grants/${key}`, timeoutMs: 10_000, maxBytes: 100_000 } as const;
    return await network.request(ask);
  };
  expect(await get(machineKey)).toMatchObject({ status: 404, json: { error: { code: 'NOT_FOUND' } } });
  expect((await get('not-hex')).status).toBe(400);
  const first = await bench.agent.leaseTo(PERMITTED, bench.known.machine.units);
  const twin = await signDocument('grant', { ...first.body, leaseId: crypto.randomUUID() }, bench.agent.key);
  const evidence: DoubleGrantFile = { form: DOUBLE_GRANT_FILE_FORM, machineKey, grants: [first, twin], log: null };
  bench.ports.grants.convict(machineKey, evidence, systemTime.unixMs());
  const { status, json } = await get(machineKey);
  expect(status).toBe(200);
  expect(checkDoubleGrant(doubleGrantFileSchema.parse(json))).toMatchObject({ ok: true, finding: { proof: 'fence' } });
  bench.agent.leases.clear();
});

test('a port that leads into another pod, or nowhere, is reported as not reached', async () => {
  const signer = asker(PERMITTED);
  const ports = { network, signer, randomBytes };
  const otherSecret = { ...target(), secret: randomBytes(32) };
  expect(await askVantage(ports, point, otherSecret, PAYLOAD_BYTES)).toMatchObject({
    reached: false,
    upBytesPerSecond: 0,
  });
  const closed = { ...target(), port: await freePort() };
  expect(await askVantage(ports, point, closed, PAYLOAD_BYTES)).toMatchObject({ reached: false, rttMinMs: 0 });
});

test('whoever has no permit is not worked for, nor who signs nothing, asks twice with one signature, or asks no question', async () => {
  expect(await post(question(), STRANGER)).toMatchObject({ status: 403, code: 'KEY_NOT_DELEGATED' });
  expect((await post(question(), null)).status).toBe(401);
  const ask = question();
  const first = await post(ask, PERMITTED);
  expect(first.status).toBe(200);
  expect(await post(ask, null, first.headers)).toMatchObject({ code: 'NONCE_REPLAYED' });
  for (const body of [
    'no JSON',
    '[]',
    question({ payloadBytes: 1e9 }),
    question({ host: '' }),
    question({ secret: 'x' }),
  ])
    expect(await post(body, PERMITTED)).toMatchObject({ status: 400, code: 'BAD_REQUEST' });
  expect((await post(question({ host: 'h'.repeat(2_000) }), PERMITTED)).status).toBeGreaterThanOrEqual(400);
});

test('two questions are answered at a time; a third is told to come later, and finds room then', async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  let dialing = 0;
  const bothDial = new Promise<void>((resolve) => {
    beforeDial = async () => {
      dialing += 1;
      if (dialing === 2) resolve();
      await gate;
    };
  });
  const two = [post(question(), PERMITTED), post(question(), PERMITTED)];
  await bothDial;
  expect(await post(question(), PERMITTED)).toMatchObject({ status: 429, code: 'RATE_LIMITED' });
  open();
  expect((await Promise.all(two)).map(({ status }) => status)).toEqual([200, 200]);
  beforeDial = async () => {};
  expect((await post(question(), PERMITTED)).status).toBe(200);
});

test('an asker takes a report only to its own question, about its own port, by the key it asked', async () => {
  const report = (nonce: string, port = podPort, key: KeyPair = VALIDATOR) =>
    signDocument(
      'vantage-report',
      {
        nonce,
        host: '127.0.0.1',
        port,
        reached: true,
        rttMinMs: 1,
        upBytesPerSecond: 1,
        downBytesPerSecond: 1,
        coordinates: null,
        atMs: 1,
      },
      key,
    );
  const told = async (answer: (nonce: string) => Promise<unknown>): Promise<unknown> => {
    const replies: NetworkPort = {
      request: async ({ body }) => ({
        status: 200,
        json: { report: await answer((JSON.parse(String(body)) as VantageAsk).nonce) },
      }),
    };
    return askVantage({ network: replies, signer: asker(PERMITTED), randomBytes }, point, target(), 0);
  };
  expect(await told((nonce) => report(nonce))).toMatchObject({ reached: true });
  expect(await told(() => report('ab'.repeat(32)))).toBeNull();
  expect(await told((nonce) => report(nonce, 1))).toBeNull();
  expect(await told((nonce) => report(nonce, podPort, STRANGER))).toBeNull();
  expect(await told(async (nonce) => ({ ...(await report(nonce)), signature: '0'.repeat(128) }))).toBeNull();
  expect(await told(async () => 'words')).toBeNull();
  const away = { url: `http://127.0.0.1:${await freePort()}`, key: point.key };
  expect(await askVantage({ network, signer: asker(PERMITTED), randomBytes }, away, target(), 0)).toBeNull();
});

test('vantage points are other validators with an address, three at most, and not always the same', () => {
  const names = ['a', 'b', 'c', 'd', 'e'].map((name) => keyFromUri(`//vantage-${name}`).ss58);
  const axons = new Map(
    names
      .slice(1)
      .map((name, n) => [name, { ip: n === 0 ? '2001:db8::1' : '192.0.2.1', port: 7760, protocol: 4, block: 1 }]),
  );
  const view = { permits: [...names, VALIDATOR.ss58], axons };
  const draws = Array.from({ length: 40 }, () => vantagesOf(view, VALIDATOR.ss58, randomBytes));
  for (const drawn of draws) expect(new Set(drawn.map(({ key }) => key)).size).toBe(3);
  expect(new Set(draws.flat().map(({ key }) => key)).size).toBe(4);
  expect(draws.flat().map((one) => one.url)).toContain('http://[2001:db8::1]:7760');
  expect(vantagesOf(null, VALIDATOR.ss58, randomBytes)).toEqual([]);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
