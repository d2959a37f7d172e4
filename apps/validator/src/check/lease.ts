/** Verification leases: written down, asked for, waited for and always stopped, across crashes too. */

import { documentHash, signDocument, verifyDocument, type KeySigner } from '@celium/chain';
import { canonicalJson, type CrashHere, type LeaseStatus, type ManifestMachine, type Signed } from '@celium/contract';
import { BASE_IMAGE, MAX_CHECK_TERM_MS } from '@celium/domain';
import { createHash } from 'node:crypto';
import type { AgentAddress, AgentPort, RandomBytes, ValidatorClock } from '../ports.ts';
import type { GrantBook } from '../state/grant-book.ts';
import type { LeaseJournal, OpenLease } from '../state/lease-journal.ts';
import { pause } from './pause.ts';

/** What leases need from outside. */
export interface LeasePorts {
  clock: ValidatorClock;
  randomBytes: RandomBytes;
  agent: AgentPort;
  journal: LeaseJournal;
  /** Every signed grant that is seen, for the day on which two of them do not fit. */
  grants: GrantBook;
  hotkey: KeySigner;
  crash: CrashHere;
  /** Leases of checks that run: the sweep leaves them alone. */
  running: Set<string>;
}

/** A lease that was had, or why it was not. */
export type LeaseResult =
  | { kind: 'leased'; requestId: string; grant: Signed<'grant'> }
  /** Another lease holds units; `grant` is the agent's proof of it when that proof is good, `units` what it holds. */
  | { kind: 'busy'; grant: Signed<'grant'> | null; units: string[]; message: string }
  | { kind: 'refused' | 'unreachable'; code: string; message: string };

/** How long a pod may take from grant to ready, pulling its image included. */
const READY_TIMEOUT_MS = 180_000;
const POLL_MS = 300;
/** A stop that did not get through is repeated after this, doubling up to the longest. */
const STOP_RETRY_MS = 1_000;
const STOP_RETRY_MAX_MS = 30_000;
/** A lease that nobody could be reached about is over by itself after its term; until then stopping is tried. */
const LAPSE_MS = MAX_CHECK_TERM_MS + 60_000;
/** How often a check itself tries to stop its lease before it leaves that to the sweep. */
const STOP_TRIES = 3;
/** How long closed leases stay in the journal, for whoever looks into it. */
const REMEMBER_CLOSED_MS = 7 * 24 * 3_600_000;

/** What a check may want of its pod beyond the base image: another image, and published ports with the host ports that they are to have. */
export interface PodWish {
  image: string;
  ports: number[];
  hostPorts: number[];
}

/** Asks the machine's agent for `units` with `sshKey` as the pod's only key. */
export async function takeLease(
  ports: LeasePorts,
  machine: ManifestMachine,
  units: readonly string[],
  sshKey: string,
  wish: PodWish = { image: BASE_IMAGE, ports: [], hostPorts: [] },
): Promise<LeaseResult> {
  const pod = { image: wish.image, env: {}, ports: wish.ports, volumeBytes: 0 };
  const requestId = uuidFrom(ports.randomBytes);
  const request = await signDocument(
    'lease-request',
    {
      requestId,
      authorityKind: 'validator',
      machineId: machine.machineId,
      machineKey: machine.machineKey,
      units: [...units],
      kind: 'verification',
      pod,
      ...(wish.hostPorts.length === 0 ? {} : { hostPorts: wish.hostPorts }),
      podDigest: createHash('sha256').update(canonicalJson(pod)).digest('hex'),
      termMs: MAX_CHECK_TERM_MS,
      sshKeys: [sshKey],
      sequence: 1,
      issuedAtMs: ports.clock.unixMs(),
    },
    ports.hotkey,
  );
  ports.journal.noteRequest(machine, request, ports.clock.unixMs());
  ports.running.add(requestId);
  try {
    return await answerOf(ports, machine, units, request);
  } catch (fault) {
    ports.running.delete(requestId);
    throw fault;
  }
}

/** Sends the request and reads the answer. */
async function answerOf(
  ports: LeasePorts,
  machine: ManifestMachine,
  units: readonly string[],
  request: Signed<'lease-request'>,
): Promise<LeaseResult> {
  const { requestId } = request.body;
  const answer = await ports.agent.requestLease(machine, request);
  ports.crash('validator.lease.requested');
  if (answer.kind === 'granted') {
    ports.journal.noteGrant(requestId, answer.grant);
    ports.crash('validator.lease.granted');
    const fault = faultOfGrant(answer.grant, request, units);
    if (fault === null) {
      ports.grants.note(machine.machineKey, answer.grant, ports.clock.unixMs());
      return { kind: 'leased', requestId, grant: answer.grant };
    }
    await giveUpLease(ports, requestId);
    return { kind: 'refused', code: 'BAD_REQUEST', message: `the agent's grant does not fit the request: ${fault}` };
  }
  if (answer.kind === 'refused') {
    ports.journal.close(requestId, `refused: ${answer.refusal.body.code}`);
    ports.running.delete(requestId);
    return readRefusal(ports, answer.refusal, machine);
  }
  // No signed word from the agent: it may have granted all the same, so the sweep asks again and stops what it finds.
  await giveUpLease(ports, requestId);
  const kind = answer.reachable ? 'refused' : 'unreachable';
  return { kind, code: answer.code, message: answer.message };
}

/** The first difference between a grant and what was asked for, or null. */
function faultOfGrant(
  grant: Signed<'grant'>,
  request: Signed<'lease-request'>,
  units: readonly string[],
): string | null {
  const body = grant.body;
  if (body.requestId !== request.body.requestId) return 'another request id';
  if (body.requestHash !== documentHash(request)) return 'another request hash';
  if (body.authority !== request.signer) return 'another authority';
  if (body.machineId !== request.body.machineId) return 'another machine';
  if (body.kind !== 'verification') return `kind ${body.kind}`;
  if (canonicalJson([...body.units].sort()) !== canonicalJson([...units].sort())) return 'other units';
  if (!body.ports.some((mapping) => mapping.pod === 22)) return 'no port for SSH';
  return null;
}

/**
 * A busy refusal has to show the grant that is in the way: signed by the same machine key, of these units, and of a kind that goes before a check
 * (paid, to a market that the manifest lists) or of another validator's check.
 */
function readRefusal(ports: LeasePorts, refusal: Signed<'lease-refusal'>, machine: ManifestMachine): LeaseResult {
  const { code, message, busyWith } = refusal.body;
  if (code !== 'UNITS_BUSY') return { kind: 'refused', code, message };
  const shown = verifyDocument('grant', busyWith, { signer: machine.machineKey });
  if (!shown.ok || shown.body.machineId !== machine.machineId) return { kind: 'busy', grant: null, units: [], message };
  ports.grants.note(machine.machineKey, shown.signed, ports.clock.unixMs());
  const { kind, authority, units } = shown.body;
  const held = units.filter((unit) => machine.units.includes(unit));
  const paid = kind === 'paid' && machine.markets.some((market) => market.key === authority);
  const good = held.length > 0 && (paid || kind === 'verification');
  return { kind: 'busy', grant: good ? shown.signed : null, units: held, message };
}

/** Waits until the pod of a lease is ready. Anything else than `ready` is the lease as last seen, or why it could not be seen. */
export async function waitForReady(
  ports: LeasePorts,
  agent: AgentAddress,
  leaseId: string,
  signal: AbortSignal,
  timeoutMs: number = READY_TIMEOUT_MS,
): Promise<{ kind: 'ready' } | { kind: 'not-ready'; lease: LeaseStatus | null; message: string }> {
  const untilMs = ports.clock.nowMs() + timeoutMs;
  let message = 'the pod was not ready in time';
  let lease: LeaseStatus | null = null;
  while (ports.clock.nowMs() < untilMs && !signal.aborted) {
    const answer = await ports.agent.leaseStatus(agent, leaseId);
    if (answer.kind === 'done') {
      lease = answer.lease;
      if (lease.state === 'ready') return { kind: 'ready' };
      if (lease.state === 'stopping' || lease.state === 'gone')
        return { kind: 'not-ready', lease, message: lease.detail ?? lease.goneReason ?? `the lease is ${lease.state}` };
    } else {
      message = `${answer.code}: ${answer.message}`;
      if (answer.reachable && answer.code === 'LEASE_UNKNOWN') return { kind: 'not-ready', lease: null, message };
    }
    await pause(ports.clock, POLL_MS, signal);
  }
  return { kind: 'not-ready', lease, message };
}

/** Stops a lease; what does not get through within a few tries is left to `sweepLeases`. Never throws. */
async function stopLease(ports: LeasePorts, requestId: string): Promise<void> {
  for (let tries = 0; tries < STOP_TRIES; tries += 1) {
    const lease = ports.journal.findOpen(requestId);
    if (lease === null || (await tryStop(ports, lease).catch(() => false))) return;
    await pause(ports.clock, STOP_RETRY_MS);
  }
}

/** Stops a lease that its check is done with; from here on the sweep looks after it. Never throws. */
export async function giveUpLease(ports: LeasePorts, requestId: string): Promise<void> {
  await stopLease(ports, requestId);
  ports.running.delete(requestId);
}

/** Tries to stop every lease that is not known to be over and is due, those of running checks apart; forgets long closed ones. */
export async function sweepLeases(ports: LeasePorts): Promise<void> {
  for (const lease of ports.journal.open()) {
    if (ports.running.has(lease.requestId) || lease.nextStopAtMs > ports.clock.unixMs()) continue;
    await tryStop(ports, lease).catch(() => false);
  }
  ports.journal.forgetClosed(ports.clock.unixMs() - REMEMBER_CLOSED_MS);
}

/** True when the lease is known to be over. */
async function tryStop(ports: LeasePorts, lease: OpenLease): Promise<boolean> {
  const { journal, agent } = ports;
  let grant = lease.grant;
  if (grant === null) {
    // Whether it was granted is not known: the same request brings the same grant, or a word that there is none.
    const answer = await agent.requestLease(lease.agent, lease.request);
    if (answer.kind === 'refused') {
      journal.close(lease.requestId, `never granted: ${answer.refusal.body.code}`);
      return true;
    }
    if (answer.kind === 'error') return noteFailedStop(ports, lease, `${answer.code}: ${answer.message}`);
    grant = answer.grant;
    journal.noteGrant(lease.requestId, grant);
  }
  const command = await signDocument(
    'lease-command',
    {
      leaseId: grant.body.leaseId,
      requestId: lease.requestId,
      machineId: lease.agent.machineId,
      fence: grant.body.fence,
      sequence: nextSequence(ports, lease),
      action: { type: 'stop' },
      issuedAtMs: ports.clock.unixMs(),
    },
    ports.hotkey,
  );
  const answer = await agent.command(lease.agent, command);
  if (answer.kind === 'done') {
    journal.close(lease.requestId, `stopped: ${answer.lease.state}`);
    return true;
  }
  if (answer.code === 'LEASE_UNKNOWN' || answer.code === 'FENCE_OLD') {
    journal.close(lease.requestId, `over before: ${answer.code}`);
    return true;
  }
  return noteFailedStop(ports, lease, `${answer.code}: ${answer.message}`);
}

/** The next sequence number. A full disk must not keep a unit leased: what cannot be stored is taken from the clock, which is larger. */
function nextSequence(ports: LeasePorts, lease: OpenLease): number {
  try {
    return ports.journal.takeSequence(lease.requestId);
  } catch {
    return Math.max(lease.sequence + 1, ports.clock.unixMs());
  }
}

function noteFailedStop(ports: LeasePorts, lease: OpenLease, why: string): boolean {
  const nowMs = ports.clock.unixMs();
  if (nowMs - lease.requestedAtMs > LAPSE_MS) {
    ports.journal.close(lease.requestId, `lapsed by its term: ${why}`);
    return true;
  }
  const waitMs = Math.min(STOP_RETRY_MS * 2 ** Math.min(lease.attempts, 10), STOP_RETRY_MAX_MS);
  ports.journal.noteStopAttempt(lease.requestId, nowMs + waitMs);
  return false;
}

/** A random UUID (version 4) from the given randomness. */
export function uuidFrom(randomBytes: RandomBytes): string {
  const bytes = Buffer.from(randomBytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
