/** Bad input and trouble on a running market: one clear error each, nothing lost, nothing half-done. */

import { CeliumError, ERRORS, type ErrorCode } from '@celium/contract';
import type { Client } from '@celium/sdk';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyImage, startPrivateEngine, type PrivateEngine } from '../apps/agent/src/engine/private-engine.ts';
import { baseImageTag } from '../apps/agent/src/engine/base-image.ts';
import { ProgramFailed, startProgram } from './process.ts';
import { makeSmallDisk, type SmallDisk } from './small-disk.ts';
import { sshRun } from './ssh.ts';
import { ROOT, until, World } from './world.ts';

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';

/** The market of the first two groups; the second ends and starts its programs. */
let shared: World;
let offerId: string;

beforeAll(async () => {
  shared = await World.start();
  await shared.verify();
  offerId = await theOffer(shared.client());
}, 240_000);

afterAll(async () => {
  await shared.close();
});

describe('renting', () => {
  test('without a balance is refused before anything is reserved', async () => {
    const { client } = await shared.newRenter(0n);
    await expectRefusal('NO_BALANCE', client.call('createRental', { body: { offerId } }));
    expect(await freeUnits(client)).toBe(1);
  });

  test('an unknown offer is refused', async () => {
    const { client } = await shared.newRenter();
    await expectRefusal('OFFER_UNKNOWN', client.call('createRental', { body: { offerId: UNKNOWN_ID } }));
  });

  test('without an SSH key is refused, and a bad key is never stored', async () => {
    const session = await shared.client().call('signUp', {
      body: { email: `nokey-${crypto.randomUUID()}@example.org`, password: 'a long enough password' },
    });
    const client = shared.client(session.apiKey);
    const operator = await shared.operator();
    await operator.call('grantCredit', { body: { email: session.email, amountMicroUsd: '1000000' } });
    await expectRefusal('NO_SSH_KEY', client.call('createRental', { body: { offerId } }));
    const bad = 'command="rm -rf /" ssh-ed25519 AAAA';
    await expectRefusal('BAD_SSH_KEY', client.call('addSshKey', { body: { name: 'bad', publicKey: bad } }));
    expect((await client.call('listSshKeys')).keys).toEqual([]);
  });

  test('with a wrong API key is refused', async () => {
    await expectRefusal('UNAUTHENTICATED', shared.client('cel_live_nothing').call('getBalance'));
  });

  test('one offer twice at the same instant: exactly one wins, the other reads why, and its money is free', async () => {
    const renters = await Promise.all([shared.newRenter(), shared.newRenter()]);
    const tries = await Promise.allSettled(
      renters.map(async ({ client }) => client.call('createRental', { body: { offerId } })),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const loser = tries.findIndex(({ status }) => status === 'rejected');
    const refusal = tries[loser] as PromiseRejectedResult;
    expect((refusal.reason as CeliumError).code).toBe('OFFER_TAKEN');
    const balance = await renters[loser]?.client.call('getBalance');
    expect(balance).toEqual({ availableMicroUsd: '1000000', heldMicroUsd: '0' });
    const winner = tries[1 - loser] as PromiseFulfilledResult<{ rentalId: string }>;
    const client = renters[1 - loser]?.client as Client;
    await stopAndWait(client, winner.value.rentalId);
    expect(await freeUnits(client)).toBe(1);
  });

  test('a rented pod takes the renter’s key against the grant’s host key, and nobody else’s', async () => {
    const renter = await shared.newRenter();
    const stranger = await shared.newRenter();
    const rental = await rentAndWait(renter.client, offerId);
    const ssh = rental.ssh as NonNullable<typeof rental.ssh>;
    const knownHostsFile = join(shared.stateDir, 'known_hosts');
    const mine = await sshRun({ ...ssh, keyFile: renter.keyFile, knownHostsFile }, 'echo hello');
    expect(mine).toMatchObject({ exit: 0, stdout: 'hello\n' });
    const theirs = await sshRun({ ...ssh, keyFile: stranger.keyFile, knownHostsFile }, 'echo hello');
    expect(theirs.exit).toBe(255);
    expect(theirs.stderr).toMatch(/Permission denied/);
    await expectRefusal('NOT_FOUND', stranger.client.call('getRental', { params: { rentalId: rental.rentalId } }));
    await stopAndWait(renter.client, rental.rentalId);
  });
});

describe('a program that cannot start', () => {
  let disk: SmallDisk;

  beforeAll(async () => {
    disk = await makeSmallDisk(8);
    await disk.fill();
  }, 120_000);

  afterAll(async () => {
    await disk.remove();
  });

  for (const name of ['devchain', 'market', 'agent'] as const) {
    test(`says PORT_IN_USE when another program listens on the ${name}'s port`, async () => {
      await shared.program(name).end();
      const other = createServer((socket) => socket.destroy());
      await new Promise<void>((resolve) => other.listen(shared.ports[name], '127.0.0.1', resolve));
      try {
        await expectStartError('PORT_IN_USE', shared.commandOf(name, shared.stateOf(name)));
      } finally {
        await new Promise((resolve) => other.close(resolve));
      }
      await shared.startProgram(name);
    });
  }

  for (const name of ['devchain', 'market', 'agent', 'validator'] as const) {
    test(`says DISK_FULL when the ${name}'s state folder has no space`, async () => {
      await expectStartError('DISK_FULL', shared.commandOf(name, join(disk.path, name)));
    });
  }

  test('says ENGINE_UNAVAILABLE when the agent finds no Docker behind the socket it was given', async () => {
    await shared.program('agent').end();
    const command = shared.commandOf('agent', shared.stateOf('agent'));
    const args = command.args.map((arg) => (arg === shared.dockerSocket ? '/nowhere/docker.sock' : arg));
    await expectStartError('ENGINE_UNAVAILABLE', { ...command, args });
  });
});

describe('a running agent, when its surroundings fail', () => {
  let engine: PrivateEngine;
  let folder: string;
  let disk: SmallDisk;
  let world: World;

  beforeAll(async () => {
    // Before the engine, which sees the mounts of the moment in which it starts.
    disk = await makeSmallDisk(400);
    folder = await mkdtemp(join(tmpdir(), 'celium-engine-'));
    // Remapped users walk through every folder above the engine's.
    await chmod(folder, 0o711);
    engine = await startPrivateEngine(join(folder, 'engine'));
    await copyImage('/var/run/docker.sock', engine.socket, baseImageTag());
    world = await World.start({
      dockerSocket: engine.socket,
      // In another network namespace than the agent's, where no filter of ours can stand.
      args: { agent: ['--open-egress'] },
      publicHost: engine.address,
      stateDirs: { agent: join(disk.path, 'agent') },
    });
    await world.verify();
  }, 300_000);

  afterAll(async () => {
    await engine.resume();
    await disk.free();
    await world.close();
    await disk.remove();
    await engine.remove();
    await rm(folder, { recursive: true, force: true });
  });

  test('Docker stopped: a rent ends with the reason, costs nothing, and works again when it is back', async () => {
    const renter = await world.newRenter();
    const offerId = await theOffer(renter.client);
    await engine.halt();
    const failed = await renter.client.call('createRental', { body: { offerId } });
    await until('the rent to end', 60_000, async () => {
      const { state } = await renter.client.call('getRental', { params: { rentalId: failed.rentalId } });
      return state === 'ended';
    });
    const ended = await renter.client.call('getRental', { params: { rentalId: failed.rentalId } });
    expect(ended.chargedMicroUsd).toBe('0');
    expect(ended.detail ?? '').toMatch(/Docker|engine/i);
    expect(await renter.client.call('getBalance')).toEqual({ availableMicroUsd: '1000000', heldMicroUsd: '0' });
    await engine.resume();
    await until('the offer to be free', 60_000, async () => (await freeUnits(renter.client)) === 1);
    const rental = await rentAndWait(renter.client, await theOffer(renter.client));
    await stopAndWait(renter.client, rental.rentalId);
    await until('the pod to be gone', 30_000, async () => (await world.containers()).length === 0);
  });

  test('a full disk: a rent ends with DISK_FULL’s reason, costs nothing, and works again when there is space', async () => {
    const renter = await world.newRenter();
    const offerId = await theOffer(renter.client);
    await disk.fill();
    const failed = await renter.client.call('createRental', { body: { offerId } });
    await until('the rent to end', 60_000, async () => {
      const { state } = await renter.client.call('getRental', { params: { rentalId: failed.rentalId } });
      return state === 'ended';
    });
    const ended = await renter.client.call('getRental', { params: { rentalId: failed.rentalId } });
    expect(ended.detail ?? '').toMatch(/disk|space/i);
    expect(await renter.client.call('getBalance')).toEqual({ availableMicroUsd: '1000000', heldMicroUsd: '0' });
    await disk.free();
    await until('the offer to be free', 60_000, async () => (await freeUnits(renter.client)) === 1);
    const rental = await rentAndWait(renter.client, await theOffer(renter.client));
    await stopAndWait(renter.client, rental.rentalId);
    await until('the pod to be gone', 30_000, async () => (await world.containers()).length === 0);
  });
});

async function theOffer(client: Client): Promise<string> {
  let offerId: string | undefined;
  await until('a rentable offer', 60_000, async () => {
    offerId = (await client.call('listOffers', { query: {} })).offers[0]?.offerId;
    return offerId !== undefined;
  });
  return offerId ?? '';
}

async function freeUnits(client: Client): Promise<number> {
  const { offers } = await client.call('listOffers', { query: { rentable: 'false' } });
  return offers[0]?.freeUnits ?? 0;
}

async function rentAndWait(client: Client, offerId: string): ReturnType<typeof rentalWhen> {
  const { rentalId } = await client.call('createRental', { body: { offerId } });
  return await rentalWhen(client, rentalId, 'running');
}

async function rentalWhen(client: Client, rentalId: string, waitFor: 'running' | 'ended') {
  const rental = await client.call('getRental', { params: { rentalId }, query: { waitFor, waitMs: 30_000 } });
  expect(rental, rental.detail ?? '').toMatchObject({ state: waitFor });
  return rental;
}

async function stopAndWait(client: Client, rentalId: string): Promise<void> {
  await client.call('stopRental', { params: { rentalId } });
  await rentalWhen(client, rentalId, 'ended');
}

async function expectRefusal(code: ErrorCode, call: Promise<unknown>): Promise<void> {
  const outcome = await call.then(
    () => 'no refusal',
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(CeliumError);
  expect((outcome as CeliumError).code).toBe(code);
  expect((outcome as CeliumError).remedy).toBe(ERRORS[code].remedy);
}

async function expectStartError(code: ErrorCode, command: { entry: string; args: string[] }): Promise<void> {
  const failure = await startProgram({ ...command, cwd: ROOT, readyTimeoutMs: 60_000 }).then(
    () => null,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(ProgramFailed);
  const { error, exit } = failure as ProgramFailed;
  expect(error, (failure as ProgramFailed).message).toMatchObject({ code });
  expect(error?.remedy).not.toBe('');
  expect(exit).toBe(ERRORS[code].exit);
}
