/** The public API: a proof file that anyone can audit, a log whose head fits its entries, and errors with codes. */

import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { keyFromUri, replayLog, signDocument, signRequest, toHex, verifyDocument } from '@celium/chain';
import { claimOfReceipt, handOverAnswer, proofFileSchema, type LogEntry, type Signed } from '@celium/contract';
import { checkClaim, parseTranscript, type ProofClaim } from '@celium/proof';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ManifestDirectory } from '../discovery/manifest-directory.ts';
import { checkMachine } from '../check/check-machine.ts';
import { Inventories } from '../state/inventories.ts';
import { UnitRegistry } from '../state/unit-registry.ts';
import { VerificationDesk } from '../renters/verification-desk.ts';
import { MARKET } from '../testing/local-agent.ts';
import { openCheckBench, VALIDATOR, type CheckBench } from '../testing/check-bench.ts';
import { createApi, type ApiPorts } from './server.ts';

const GPU = 'GPU-00000001-aaaa';
const JOINER = keyFromUri('//joiner');
/** A coordinator's barrier whose secret is for one other validator. */
const barriers = {
  mayJoin: (hotkey: string) => hotkey === JOINER.ss58,
  statement: (toValidator: boolean) =>
    signDocument(
      'barrier',
      {
        validator: VALIDATOR.ss58,
        netuid: 51,
        epochBlock: 1,
        epochHash: 'aa'.repeat(32),
        commitment: 'bb'.repeat(32),
        secret: toValidator ? 'cc'.repeat(32) : null,
        issuedAtMs: 1,
      },
      VALIDATOR,
    ),
};

let inventories: Inventories;
let bench: CheckBench;
let api: ReturnType<typeof createApi>;
let receipt: Signed<'receipt'>;
let parts: ApiPorts;
beforeAll(async () => {
  bench = openCheckBench({ units: [GPU] });
  const { ports, known } = bench;
  const report = await checkMachine(ports, known, known.machine.units, new AbortController().signal);
  if (report.kind !== 'checked') throw new Error(report.message);
  receipt = report.units[0]!.receipt;
  const directory = new ManifestDirectory(bench.database);
  directory.take(await bench.agent.manifest(), { netuid: 51 }, 1);
  const registry = new UnitRegistry(bench.database, directory);
  registry.refresh(ports.clock.unixMs());
  const desk = new VerificationDesk({
    ...ports,
    machineOf: (key) => (key === known.machine.machineKey ? known : null),
  });
  inventories = new Inventories(bench.database);
  const handOvers = {
    machineOf: (key: string) => (key === known.machine.machineKey ? known : null),
    checkNow: (_key: string, asked: readonly string[], _untilMs: number, signal: AbortSignal) =>
      checkMachine(ports, known, asked, signal),
    signal: new AbortController().signal,
  };
  const status = (): { hotkey: string } => ({ hotkey: VALIDATOR.ss58 });
  parts = { ...ports, registry, inventories, barriers, status, desk, handOvers };
  api = createApi(parts);
});
afterAll(async () => {
  await api.close();
  bench.close();
});

async function get(url: string): Promise<{ status: number; json: unknown }> {
  const answer = await api.inject({ method: 'GET', url });
  return { status: answer.statusCode, json: answer.json() };
}

test('a receipt’s proof file holds all that an audit needs', async () => {
  const { status, json } = await get(`/v1/proofs/${receipt.body.receiptId}`);
  expect(status).toBe(200);
  const file = proofFileSchema.parse(json);
  expect(file.receipt).toEqual(receipt);
  expect(verifyDocument('grant', file.grant, { signer: receipt.body.machineKey }).ok).toBe(true);
  const parsed = parseTranscript(JSON.stringify(file.transcript));
  const claim = claimOfReceipt(file.receipt.body) as unknown as ProofClaim;
  expect(parsed.ok && checkClaim(claim, parsed.transcript).ok).toBe(true);
});

test('the log replays from its first entry to its signed head', async () => {
  const { json } = await get('/v1/log');
  const { head, entries } = json as { head: Signed<'log-head'>; entries: LogEntry[] };
  expect(verifyDocument('log-head', head, { signer: receipt.signer }).ok).toBe(true);
  expect(replayLog(entries, { head: head.body })).toMatchObject({ ok: true });
  expect(entries.map((entry) => entry.body)).toEqual([receipt]);
  expect((await get('/v1/log?from=2')).json).toMatchObject({ entries: [] });
});

test('receipts are listed, all or of one machine', async () => {
  expect((await get('/v1/receipts')).json).toEqual({ receipts: [receipt] });
  expect((await get(`/v1/receipts?machineKey=${'ab'.repeat(32)}`)).json).toEqual({ receipts: [] });
  expect((await get('/livez')).json).toEqual({ ok: true });
  expect((await get('/v1/status')).json).toEqual({ hotkey: VALIDATOR.ss58 });
});

test('a machine’s inventory is shown with its alarms and with what its verdict is worth beside them', async () => {
  const { machineKey } = receipt.body;
  expect(await get(`/v1/inventories/${machineKey}`)).toMatchObject({ status: 404 });
  const golden = new URL('../../../../packages/contract/golden/documents/inventory.json', import.meta.url);
  const signed = JSON.parse(readFileSync(golden, 'utf8')) as Signed<'inventory'>;
  const alarms = [{ code: 'MIG_ENABLED' as const, unit: GPU, detail: 'the GPU is cut into instances' }];
  inventories.keep(machineKey, { receivedAtMs: 5, signed, alarms });
  const shown = { receivedAtMs: 5, trust: 'watched', alarms, inventory: signed };
  expect(await get(`/v1/inventories/${machineKey}`)).toEqual({ status: 200, json: shown });
  inventories.keep(machineKey, { receivedAtMs: 6, signed, alarms: [] });
  expect((await get(`/v1/inventories/${machineKey}`)).json).toMatchObject({ receivedAtMs: 6, trust: 'verified' });
});

test('a GPU is shown with who holds it, and what the registry said of it before', async () => {
  const held = {
    state: 'held',
    holder: { hotkey: receipt.body.hotkey, machineKey: receipt.body.machineKey },
    rivals: [],
  };
  expect(await get(`/v1/units/${GPU}`)).toMatchObject({ status: 200, json: { unit: GPU, ...held } });
  expect((await get(`/v1/units/${GPU}`)).json).toMatchObject({ changes: [{ unit: GPU, standing: held }] });
  expect(await get('/v1/units/GPU-00000002')).toMatchObject({ status: 404, json: { error: { code: 'NOT_FOUND' } } });
  expect(await get('/v1/units/nothing')).toMatchObject({ status: 400, json: { error: { code: 'BAD_REQUEST' } } });
});

test('a barrier’s secret is for validators: to a stranger, signed or not, and to a replay it stays closed', async () => {
  const audience = toHex(VALIDATOR.publicKey);
  const clock = { now: () => bench.ports.clock.unixMs(), randomBytes };
  const ask = async (headers: Record<string, string> = {}) =>
    (await api.inject({ method: 'GET', url: '/v1/barrier', headers })).json() as Signed<'barrier'>;
  const signed = await signRequest({ method: 'GET', path: '/v1/barrier', audience }, JOINER, clock);
  const said = await ask(signed);
  expect(verifyDocument('barrier', said, { signer: audience }).ok).toBe(true);
  expect(said.body.secret).toBe('cc'.repeat(32));
  expect((await ask()).body.secret).toBeNull();
  const stranger = await signRequest({ method: 'GET', path: '/v1/barrier', audience }, keyFromUri('//who'), clock);
  expect((await ask(stranger)).body.secret).toBeNull();
  expect(await ask(signed)).toMatchObject({ error: { code: 'NONCE_REPLAYED' } });
});

test('what is not there, and what is malformed, is said with a code', async () => {
  expect(await get(`/v1/proofs/${crypto.randomUUID()}`)).toMatchObject({
    status: 404,
    json: { error: { code: 'NOT_FOUND' } },
  });
  expect(await get('/v1/proofs/..%2f..%2fetc')).toMatchObject({
    status: 400,
    json: { error: { code: 'BAD_REQUEST' } },
  });
  expect(await get('/v1/log?from=0')).toMatchObject({ status: 400, json: { error: { code: 'BAD_REQUEST' } } });
  expect(await get('/v2')).toMatchObject({ status: 404, json: { error: { code: 'NOT_FOUND' } } });
});

test('whoever asks without end is refused, and a body of brackets is no JSON', async () => {
  const crowded = createApi({ ...parts, clock: { ...bench.ports.clock, nowMs: () => 0 } });
  const headers = { 'content-type': 'application/json' };
  const deep = await crowded.inject({
    method: 'POST',
    url: '/v1/verifications',
    headers,
    payload: '['.repeat(100_000),
  });
  expect({ status: deep.statusCode, json: deep.json() }).toMatchObject({
    status: 400,
    json: { error: { code: 'BAD_REQUEST' } },
  });
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => crowded.inject({ url: '/v1/receipts?limit=1000' })),
  );
  expect(answers.filter((answer) => answer.statusCode === 200)).toHaveLength(29);
  expect(answers.at(-1)?.json()).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  expect((await crowded.inject({ url: '/v1/status', remoteAddress: '192.0.2.7' })).statusCode).toBe(200);
  await crowded.close();
});

async function askForCheck(
  body: object,
  signer = MARKET,
  changed?: object,
): Promise<{ status: number; json: unknown }> {
  const text = JSON.stringify(body);
  const request = { method: 'POST', path: '/v1/checks', body: text, audience: toHex(VALIDATOR.publicKey) };
  const headers = await signRequest(request, signer, { now: Date.now, randomBytes });
  const payload = changed === undefined ? text : JSON.stringify(changed);
  const answer = await api.inject({
    method: 'POST',
    url: '/v1/checks',
    headers: { ...headers, 'content-type': 'application/json' },
    payload,
  });
  return { status: answer.statusCode, json: answer.json() };
}

test('a market that the machine lists gets a check before a hand-over, with the signed receipts of it', async () => {
  const { machineKey, units } = bench.known.machine;
  const answer = await askForCheck({ machineKey, units, deadlineMs: Date.now() + 60_000 });
  expect(answer.status).toBe(200);
  const { outcome, receipts } = handOverAnswer.parse(answer.json);
  expect([outcome, receipts.map(({ body }) => body.unit)]).toEqual(['CHECKED', [GPU]]);
  expect(verifyDocument('receipt', receipts[0], { signer: toHex(VALIDATOR.publicKey) })).toMatchObject({ ok: true });
  expect(bench.agent.leasedUnits()).toEqual([]);
});

test('nobody else may ask for a check: not unsigned, not with another body, not as a market that the machine does not list', async () => {
  const { machineKey, units } = bench.known.machine;
  const ask = { machineKey, units, deadlineMs: Date.now() + 60_000 };
  expect((await askForCheck(ask, keyFromUri('//other-market'))).json).toMatchObject({ error: { code: 'FORBIDDEN' } });
  const changed = { ...ask, deadlineMs: 0 };
  expect((await askForCheck(ask, MARKET, changed)).json).toMatchObject({ error: { code: 'SIGNATURE_WRONG' } });
  expect((await askForCheck({ ...ask, machineKey: 'ab'.repeat(32) })).json).toMatchObject({
    error: { code: 'NOT_FOUND' },
  });
  expect((await askForCheck({ ...ask, units: ['everything'] })).json).toMatchObject({ error: { code: 'BAD_REQUEST' } });
  const plain = { method: 'POST', url: '/v1/checks', payload: ask } as const;
  expect((await api.inject(plain)).json()).toMatchObject({ error: { code: 'UNAUTHENTICATED' } });
});

test('a market that asks for more checks than there is room for is told so', async () => {
  const { machineKey } = bench.known.machine;
  const ask = { machineKey, units: ['cpu:another-machine'], deadlineMs: Date.now() + 60_000 };
  const answers = [];
  for (let asked = 0; asked < 61; asked += 1) answers.push((await askForCheck(ask)).status);
  expect(answers.at(-1)).toBe(429);
});
