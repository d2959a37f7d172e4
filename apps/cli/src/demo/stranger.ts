/** A stranger at the market: everything here goes through the public API and the machine's own OpenSSH client, and nothing else. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CeliumError, type Bill, type Offer, type Rental } from '@celium/contract';
import { createClient, type CallReply, type Client } from '@celium/sdk';
import { saveLogin } from '../settings/credentials.ts';
import { makeSshKey, ownIdentityPath } from '../ssh/open-ssh.ts';
import { pinTarget, writeKnownHosts, type PinnedTarget } from '../ssh/pinned-target.ts';
import { firstKeyExchange } from './key-exchange.ts';
import { runQuietSsh } from './quiet-ssh.ts';

const HELD_BACK_MS = 10_000;
const RENT_TIMEOUT_MS = 120_000;

/** An account of its own, with its folder of credentials and keys: what `CELIUM_HOME` points to afterwards. */
export interface Stranger {
  client: Client;
  email: string;
  configFolder: string;
  identityFile: string;
}

/** Signs up; the key is kept where `celium` looks for it. */
export async function signUp(marketUrl: string, configFolder: string): Promise<Stranger> {
  const email = `stranger-${randomBytes(4).toString('hex')}@demo.example`;
  const password = randomBytes(12).toString('base64url');
  const anonymous = createClient({ baseUrl: marketUrl });
  const session = await anonymous.call('signUp', { body: { email, password } });
  saveLogin(configFolder, anonymous.baseUrl, { email, apiKey: session.apiKey });
  const client = createClient({ baseUrl: marketUrl, apiKey: session.apiKey });
  return { client, email, configFolder, identityFile: ownIdentityPath(configFolder) };
}

/** Makes a fresh ed25519 key and adds its public half. */
export async function addKey(stranger: Stranger): Promise<CallReply<'addSshKey'>> {
  mkdirSync(dirname(stranger.identityFile), { recursive: true, mode: 0o700 });
  await makeSshKey(stranger.identityFile, stranger.email);
  const publicKey = readFileSync(`${stranger.identityFile}.pub`, 'utf8').trim();
  return await stranger.client.call('addSshKey', { body: { name: 'demo', publicKey } });
}

/** Waits for an offer of this machine that can be rented. `wasRefused` tells when a check has failed, which ends the waiting. */
export async function awaitOffer(
  client: Client,
  machineKey: string,
  timeoutMs: number,
  refusal: () => CeliumError | null,
): Promise<Offer> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const refused = refusal();
    if (refused !== null) throw refused;
    const { offers } = await client.call('listOffers');
    const offer = offers.find((one) => one.machineKey === machineKey);
    if (offer !== undefined) return offer;
    await sleep(250);
  }
  throw new CeliumError('TIMEOUT', `No validator verified the machine within ${Math.round(timeoutMs / 1000)} s.`);
}

/** A pod that the stranger has rented and logged in to. */
export interface RentedPod {
  rental: Rental;
  leaseId: string;
  target: PinnedTarget;
  ssh: { knownHostsFile: string; identityFile: string };
  rentToReadyMs: number;
  rentToSshMs: number;
  /** The first completed key exchange, unix ms; it was tried without pause from the moment the port was known. */
  firstKeyExchangeAtMs: number;
}

/** Rents, waits until it runs, logs in. */
export async function rentAndLogIn(stranger: Stranger, offer: Offer): Promise<RentedPod> {
  const { client } = stranger;
  const startedMs = performance.now();
  const reserved = await client.call('createRental', { body: { offerId: offer.offerId } });
  const granted = await awaitState(
    client,
    reserved,
    'starting',
    (rental) => rental.grant !== null && rental.ssh !== null,
  );
  const abort = new AbortController();
  const seen = watchFirstExchange(granted, abort.signal);
  // Whatever fails below is the story; that the watch was cut off is not.
  seen.catch(() => {});
  try {
    const rental = await awaitState(client, granted, 'running', (one) => one.state === 'running');
    const rentToReadyMs = performance.now() - startedMs;
    const target = await pinTarget(client, rental);
    const ssh = { knownHostsFile: writeKnownHosts(stranger.configFolder, target), identityFile: stranger.identityFile };
    await runQuietSsh(target, ssh, ['true']);
    const rentToSshMs = performance.now() - startedMs;
    const leaseId = rental.grant?.body.leaseId ?? '';
    return { rental, leaseId, target, ssh, rentToReadyMs, rentToSshMs, firstKeyExchangeAtMs: await seen };
  } finally {
    abort.abort();
  }
}

/** Stops the pod and answers its bill once the machine has said that it is gone. */
export async function stopAndBill(client: Client, rentalId: string): Promise<Bill> {
  const params = { rentalId };
  await client.call('stopRental', { params });
  const ended = await client.call('getRental', { params, query: { waitFor: 'ended', waitMs: 60_000 } });
  if (ended.state !== 'ended')
    throw new CeliumError('TIMEOUT', `The pod is still ${ended.state} a minute after it was stopped.`);
  return await client.call('getBill', { params });
}

/** Stops whatever of this account still runs, and waits for its end. */
export async function stopAll(client: Client): Promise<void> {
  const { rentals } = await client.call('listRentals');
  for (const { rentalId, state } of rentals) {
    if (state !== 'ended') await stopAndBill(client, rentalId).catch(() => {});
  }
}

async function watchFirstExchange(rental: Rental, signal: AbortSignal): Promise<number> {
  const { ssh, grant } = rental;
  if (ssh === null || grant === null) throw new CeliumError('RENTAL_NOT_STARTING');
  return await firstKeyExchange(
    { host: ssh.host, port: ssh.port, hostKey: grant.body.hostKey },
    RENT_TIMEOUT_MS,
    signal,
  );
}

async function awaitState(
  client: Client,
  rental: Rental,
  waitFor: 'starting' | 'running',
  isThere: (rental: Rental) => boolean,
): Promise<Rental> {
  let latest = rental;
  const deadline = performance.now() + RENT_TIMEOUT_MS;
  while (!isThere(latest)) {
    if (latest.state === 'ended' || latest.state === 'stopping' || performance.now() > deadline) {
      const why = latest.detail ?? latest.endReason ?? 'no reason given';
      throw new CeliumError('POD_START_FAILED', `The rental is ${latest.state} instead of ${waitFor}: ${why}.`);
    }
    const params = { rentalId: rental.rentalId };
    latest = await client.call('getRental', { params, query: { waitFor, waitMs: HELD_BACK_MS } });
  }
  return latest;
}
