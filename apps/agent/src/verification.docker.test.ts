/** A validator at a real agent: signed HTTPS, a permit on a devchain, a pod with SSH; wrong requests have no effect. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  Devchain,
  DevchainClient,
  DevchainStore,
  RAO_PER_TAO,
  defaultGenesis,
  keyFromUri,
  replayLog,
  serveDevchain,
  verifyDocument,
} from '@celium/chain';
import { AGENT_API, type LeaseStatus, type Signed } from '@celium/contract';
import { TestMachine } from './testing/agent-process.ts';
import { callAgent, hexOf, signedHeaders } from './testing/api-client.ts';
import { TestMarket, signLeaseCommand, signLeaseRequest } from './testing/market.ts';

const owner = keyFromUri('//Alice');
const validator = keyFromUri('//Validator');
const stranger = keyFromUri('//Stranger');
const machine = new TestMachine();
const market = new TestMarket(keyFromUri('//Market'));
let imageId = '';
let closeChain = async (): Promise<void> => undefined;

beforeAll(async () => {
  const devchain = new Devchain({
    store: new DevchainStore(':memory:'),
    genesis: defaultGenesis({ tempo: 10 }),
    now: Date.now,
  });
  const chain = new DevchainClient(devchain);
  await chain.register(owner, validator.ss58, RAO_PER_TAO);
  await chain.addStake(owner, validator.ss58, 10n * RAO_PER_TAO);
  devchain.advance(20);
  const served = await serveDevchain(devchain, 0);
  closeChain = served.close;
  await market.listen();
  await machine.writeManifest([{ url: market.url, key: hexOf(market.key) }]);
  imageId = String(((await machine.start({ args: ['--chain', served.url] })) as { imageId?: unknown }).imageId);
  await market.frame('hello');
}, 180_000);

afterAll(async () => {
  await machine.destroy();
  await market.goAway();
  await closeChain();
});

function ask(): Promise<Signed<'lease-request'>> {
  return signLeaseRequest(machine.machine, validator, { authorityKind: 'validator', kind: 'verification' });
}

/** While one lease runs: every container of the host is accounted for in a signed inventory, which only who may lease here can read. */
async function expectInventory(): Promise<void> {
  const read = (key?: typeof validator) =>
    callAgent(machine.machine, 'GET', AGENT_API.inventory, key === undefined ? {} : { key });
  const foreign = await machine.startContainer({ Image: imageId, Cmd: ['sleep', '600'], Entrypoint: [] });
  const inventory = async () => {
    const { body } = await read(validator);
    const checked = verifyDocument('inventory', body.inventory, { signer: machine.machineKey });
    if (!checked.ok) throw new Error(`${checked.code}: ${checked.message}`);
    return checked.body;
  };
  // It may be ten seconds old: the market was told what the host is like before there was a lease.
  const isTaken = async () => ((await inventory()).containers?.leased ?? 0) === 1;
  await expect.poll(isTaken, { timeout: 30_000, interval: 1_000 }).toBe(true);
  const { containers, engine, host } = await inventory();
  await machine.meddle(foreign, 'remove');
  expect(containers).toMatchObject({ leased: 1, leaked: 0 });
  expect(containers?.foreignRunning).toBeGreaterThanOrEqual(1);
  expect(engine?.version).toMatch(/^[0-9]+\./);
  expect(host.memoryBytes).toBeGreaterThan(1_000_000_000);
  expect((await read(stranger)).body.error?.code).toBe('KEY_NOT_DELEGATED');
  expect((await read()).body.error?.code).toBe('UNAUTHENTICATED');
  expect((await read(market.key)).body.inventory).toMatchObject({ body: { machineId: machine.machine.machineId } });
}

test('a validator with a permit leases the machine, sees it ready, and stops it', async () => {
  const sshKeys = [await machine.sshKey()];
  const request = await signLeaseRequest(machine.machine, validator, {
    authorityKind: 'validator',
    kind: 'verification',
    sshKeys,
  });
  const answer = await callAgent(machine.machine, 'POST', AGENT_API.leases, { key: validator, body: request });
  expect(answer.status).toBe(200);
  const grant = answer.body.grant as Signed<'grant'>;
  expect(verifyDocument('grant', grant, { signer: machine.machineKey }).ok).toBe(true);
  expect(grant.body.termMs).toBe(60_000);
  const path = `${AGENT_API.lease(grant.body.leaseId)}?waitFor=ready`;
  const ready = (await callAgent(machine.machine, 'GET', path, { key: validator })).body.lease as LeaseStatus;
  expect(ready.state).toBe('ready');
  expect(await machine.ssh(grant, 'ls /.celium')).toContain('prover');
  await expectInventory();

  const busy = await market.sign(machine.machine);
  market.send({ type: 'lease-request', request: busy });
  const { refusal } = await market.frame('lease-refusal', (one) => one.refusal.body.requestId === busy.body.requestId);
  expect(refusal.body).toMatchObject({ code: 'UNITS_BUSY', busyWith: grant });
  expect(refusal.body.message).toMatch(/check runs on the unit for at most \d+ s more/);

  const foreign = await callAgent(machine.machine, 'GET', AGENT_API.lease(grant.body.leaseId), { key: stranger });
  expect(foreign.body.error?.code).toBe('LEASE_UNKNOWN');
  const older = await signLeaseCommand(grant, validator, { type: 'stop' }, 2, { fence: grant.body.fence - 1 });
  const commands = AGENT_API.commands(grant.body.leaseId);
  const refused = await callAgent(machine.machine, 'POST', commands, { key: validator, body: older });
  expect(refused.body.error?.code).toBe('FENCE_OLD');
  const theft = await signLeaseCommand(grant, stranger, { type: 'stop' }, 2);
  const notYours = await callAgent(machine.machine, 'POST', commands, { key: stranger, body: theft });
  expect(notYours.body.error?.code).toBe('NOT_YOUR_LEASE');

  const stop = await signLeaseCommand(grant, validator, { type: 'stop' }, 2);
  expect((await callAgent(machine.machine, 'POST', commands, { key: validator, body: stop })).status).toBe(200);
  const gonePath = `${AGENT_API.lease(grant.body.leaseId)}?waitFor=gone`;
  const gone = (await callAgent(machine.machine, 'GET', gonePath, { key: validator })).body.lease as LeaseStatus;
  expect(gone).toMatchObject({ state: 'gone', goneReason: 'stopped' });
  expect(await machine.containers()).toEqual([]);
  const again = await callAgent(machine.machine, 'POST', AGENT_API.leases, { key: validator, body: request });
  expect(again.body.error?.code).toBe('REQUEST_STOPPED');
});

test('a check ends by itself when its term is over', async () => {
  const request = await signLeaseRequest(machine.machine, validator, {
    authorityKind: 'validator',
    kind: 'verification',
    termMs: 1_500,
  });
  const answer = await callAgent(machine.machine, 'POST', AGENT_API.leases, { key: validator, body: request });
  const { leaseId } = (answer.body.grant as Signed<'grant'>).body;
  const path = `${AGENT_API.lease(leaseId)}?waitFor=gone`;
  const gone = (await callAgent(machine.machine, 'GET', path, { key: validator })).body.lease as LeaseStatus;
  expect(gone).toMatchObject({ state: 'gone', goneReason: 'term-over' });
});

test('who has no permit, signs wrongly, repeats a request or means another machine is refused, and nothing happens', async () => {
  const codeOf = async (...args: Parameters<typeof callAgent>): Promise<string | undefined> =>
    (await callAgent(...args)).body.error?.code;
  const noPermit = await signLeaseRequest(machine.machine, stranger, {
    authorityKind: 'validator',
    kind: 'verification',
  });
  const { leases } = AGENT_API;
  expect(await codeOf(machine.machine, 'POST', leases, { key: stranger, body: noPermit })).toBe('KEY_NOT_DELEGATED');
  expect(await codeOf(machine.machine, 'POST', leases, { body: await ask() })).toBe('UNAUTHENTICATED');
  const otherSigner = { key: stranger, body: await ask() };
  expect(await codeOf(machine.machine, 'POST', leases, otherSigner)).toBe('KEY_NOT_DELEGATED');
  const request = await ask();
  const changed = { ...request, body: { ...request.body, termMs: 61_000 } };
  expect(await codeOf(machine.machine, 'POST', leases, { key: validator, body: changed })).toBe('SIGNATURE_WRONG');
  const foreign = { key: validator, body: request, audience: hexOf(stranger) };
  expect(await codeOf(machine.machine, 'POST', leases, foreign)).toBe('AUDIENCE_WRONG');
  const path = AGENT_API.lease(randomUUID());
  const headers = await signedHeaders(machine.machine, validator, 'GET', path);
  expect(await codeOf(machine.machine, 'GET', path, { headers })).toBe('LEASE_UNKNOWN');
  expect(await codeOf(machine.machine, 'GET', path, { headers })).toBe('NONCE_REPLAYED');
  const asMarket = await signLeaseRequest(machine.machine, validator, { authorityKind: 'market', kind: 'paid' });
  expect(await codeOf(machine.machine, 'POST', leases, { key: validator, body: asMarket })).toBe('KEY_NOT_DELEGATED');
  expect(await machine.containers()).toEqual([]);
});

test('the manifest and the log of grants are public, and the log replays to its signed head', async () => {
  const manifest = await callAgent(machine.machine, 'GET', AGENT_API.manifest);
  expect(verifyDocument('manifest', manifest.body).ok).toBe(true);
  await expect
    .poll(
      async () => {
        const { body } = await callAgent(machine.machine, 'GET', AGENT_API.log);
        return (body.entries as Array<{ kind: string }>).map((entry) => entry.kind).sort();
      },
      { timeout: 15_000 },
    )
    .toEqual(['grant', 'grant', 'lease-ended', 'lease-ended']);
  const { head, entries } = (await callAgent(machine.machine, 'GET', AGENT_API.log)).body as {
    head: Signed<'log-head'>;
    entries: unknown[];
  };
  expect(verifyDocument('log-head', head, { signer: machine.machineKey }).ok).toBe(true);
  expect(replayLog(entries, { head: head.body }).ok).toBe(true);
});
