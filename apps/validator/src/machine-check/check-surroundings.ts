/** One machine check, from lease to signed machine receipt: everything it needs comes as arguments, and what it leased is always stopped. */

import { signDocument, type RequestSigner } from '@celium/chain';
import type { MachineParts, Signed } from '@celium/contract';
import {
  BASE_IMAGE,
  deployLimitMs,
  MAX_CHECK_TERM_MS,
  PORTS_PER_CHECK,
  samplePorts,
  type Coordinates,
  type TriedPort,
} from '@celium/domain';
import { giveUpLease, takeLease, uuidFrom, waitForReady, type LeasePorts } from '../check/lease.ts';
import { pause } from '../check/pause.ts';
import { NO_HOST_KEY_HASH } from '../check/receipt.ts';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { NetworkPort, ShellConnection, ShellPort } from '../ports.ts';
import type { MachineBook } from '../state/machine-book.ts';
import { imageNotDeployed, imageNotTested, readBackImage, type ImagePart } from './image.ts';
import { composeMachineReceipt, type MachineCheckFacts } from './machine-receipt.ts';
import { PodSession, PodSessionFault } from './pod-session.ts';
import { probePort, type ProbePorts, type PublishedPort } from './port-probe.ts';
import { testStorage, type StoragePorts, type StorageSizes } from './storage.ts';
import { locationPart, networkPart, portsPart, type VantageFindings } from './surroundings.ts';
import type { Template } from './template.ts';
import { askVantage, type VantagePoint } from './vantage.ts';

/** What a machine check needs from outside. */
export interface MachineCheckPorts extends LeasePorts, StoragePorts, ProbePorts {
  shells: ShellPort;
  network: NetworkPort;
  signer: RequestSigner;
  machineBook: MachineBook;
  finalizedBlock: () => Promise<{ number: number; hash: string }>;
  proverCommand: readonly string[];
  storageSizes: StorageSizes;
  payloadBytes: number;
  /** Where we stand; null when the operator did not say. */
  coordinates: Coordinates | null;
  /** Other vantage points, at most a few, in an order that nobody foresees. */
  vantages: () => VantagePoint[];
}

/** How a machine check ended. */
export type MachineCheckReport =
  | { kind: 'checked'; receipt: Signed<'machine-receipt'>; auditCpuSeconds: number }
  | { kind: 'busy' | 'refused' | 'unreachable' | 'void' | 'given-up'; code: string; message: string };

/** Ports inside the pod on which it answers: somewhere among these, where an image is not likely to listen itself. */
const LEAST_POD_PORT = 20_000;
const POD_PORTS = 10_000;
/** How long what is timed elsewhere is waited for before our own reads. */
const QUIET_LIMIT_MS = 60_000;
const QUIET_LOOK_MS = 250;

/** Checks what surrounds `unit` of a machine; with `template` it is really deployed. Rejects only for faults of our own. */
export async function checkSurroundings(
  ports: MachineCheckPorts,
  known: KnownMachine,
  unit: string,
  template: Template | null,
  signal: AbortSignal,
): Promise<MachineCheckReport> {
  const { machine } = known;
  const { portRange } = machine;
  // The pod's SSH port needs one of the range as well.
  const sample = Math.min(PORTS_PER_CHECK, portRange.to - portRange.from);
  const hostPorts = samplePorts(portRange, ports.machineBook.reachedPorts(machine.machineKey), sample, (n) =>
    Math.floor((Buffer.from(ports.randomBytes(6)).readUIntBE(0, 6) / 2 ** 48) * n),
  );
  const firstPodPort = LEAST_POD_PORT + (Buffer.from(ports.randomBytes(2)).readUInt16BE() % POD_PORTS);
  const podPorts = hostPorts.map((_, index) => firstPodPort + index);
  const wish = { image: template?.image ?? BASE_IMAGE, ports: podPorts, hostPorts };
  const clientKey = ports.shells.newClientKey();
  const startedAtMs = ports.clock.unixMs();
  const lease = await takeLease(ports, machine, [unit], clientKey.publicLine, wish);
  if (lease.kind === 'busy') return { kind: 'busy', code: 'UNITS_BUSY', message: lease.message };
  if (lease.kind !== 'leased') return lease;
  const { grant, requestId } = lease;
  let seen: Seen | Exclude<MachineCheckReport, { kind: 'checked' }>;
  try {
    seen = await look(ports, known, grant, clientKey, template, signal);
  } finally {
    await giveUpLease(ports, requestId);
  }
  if (signal.aborted) return { kind: 'given-up', code: 'ABORTED', message: 'the validator is stopping' };
  if ('kind' in seen) return seen;
  const { number, hash } = await ports.finalizedBlock();
  const facts: MachineCheckFacts = {
    receiptId: uuidFrom(ports.randomBytes),
    validator: ports.hotkey.ss58,
    hotkey: known.hotkey,
    machineId: machine.machineId,
    machineKey: machine.machineKey,
    grant,
    hostKeyHash: seen.hostKeyHash,
    blockNumber: number,
    blockHash: hash.replace(/^0x/, ''),
    startedAtMs,
    endedAtMs: ports.clock.unixMs(),
  };
  const body = composeMachineReceipt(facts, seen.parts);
  if (body === null) return { kind: 'void', code: 'NOTHING_TESTED', message: 'no part could be tested' };
  const receipt = await signDocument('machine-receipt', body, ports.hotkey);
  return { kind: 'checked', receipt, auditCpuSeconds: seen.auditCpuSeconds };
}

interface Seen {
  parts: MachineParts;
  hostKeyHash: string;
  auditCpuSeconds: number;
}

/** Everything between grant and stop. */
async function look(
  ports: MachineCheckPorts,
  known: KnownMachine,
  grant: Signed<'grant'>,
  clientKey: ReturnType<ShellPort['newClientKey']>,
  template: Template | null,
  signal: AbortSignal,
): Promise<Seen | Exclude<MachineCheckReport, { kind: 'checked' }>> {
  const { machine } = known;
  const grantedMs = ports.clock.nowMs();
  const limitMs = template === null ? undefined : deployLimitMs(template.imageBytes, MAX_CHECK_TERM_MS);
  const ready = await waitForReady(ports, machine, grant.body.leaseId, signal, limitMs);
  const deployMs = ports.clock.nowMs() - grantedMs;
  if (ready.kind !== 'ready') {
    if (template === null || ready.lease === null)
      return { kind: 'unreachable', code: 'POD_START_FAILED', message: ready.message };
    const late = ready.lease.state !== 'gone' && ready.lease.state !== 'stopping';
    const code = late ? 'IMAGE_LATE' : 'IMAGE_NOT_DEPLOYED';
    const message = late ? 'the template was not up in time' : 'the template did not come up';
    const parts = { ...nothing(machine.portRange), image: imageNotDeployed(template, deployMs, code, message) };
    return { parts, hostKeyHash: NO_HOST_KEY_HASH, auditCpuSeconds: 0 };
  }
  const connection = await ports.shells.connect(
    {
      host: machine.publicHost,
      port: grant.body.ports.find((mapping) => mapping.pod === 22)?.host ?? 0,
      hostKey: grant.body.hostKey,
      clientKey,
    },
    signal,
  );
  if (!('openShell' in connection)) {
    const mismatch = connection.kind === 'host-key-mismatch';
    // The unit's own check says the same in its receipt, which is where a stolen name belongs.
    const code = mismatch ? 'HOST_KEY_MISMATCH' : 'SSH_UNREACHABLE';
    return { kind: 'unreachable', code, message: mismatch ? 'another host key than the grant’s' : connection.message };
  }
  try {
    return await lookInside(ports, known, grant, connection, { template, deployMs }, signal);
  } finally {
    connection.close();
  }
}

async function lookInside(
  ports: MachineCheckPorts,
  known: KnownMachine,
  grant: Signed<'grant'>,
  connection: ShellConnection,
  deploy: { template: Template | null; deployMs: number },
  signal: AbortSignal,
): Promise<Seen> {
  const { machine } = known;
  const session = new PodSession(await connection.openShell(), ports.clock);
  const parts = nothing(machine.portRange);
  try {
    await session.start(ports.proverCommand);
    const { tried, seen } = await lookAtPorts(ports, known, grant, session);
    ports.machineBook.noteReached(machine.machineKey, tried, ports.clock.unixMs());
    const reached = ports.machineBook.reachedPorts(machine.machineKey);
    const inRange = [...reached.keys()].filter((port) => isWithin(machine.portRange, port)).length;
    parts.ports = portsPart(machine.portRange, tried, inRange);
    parts.network = networkPart(seen, ports.payloadBytes);
    parts.location = locationPart(machine.host.coordinates ?? null, seen);
    parts.image = await lookAtImage(ports, session, deploy);
    await untilQuiet(ports, signal);
    const share = { soldBytes: machine.host.diskBytes, testedUnits: 1, allUnits: machine.units.length };
    const storage = await testStorage(ports, session, share, ports.storageSizes, parts.location.rttMinMs);
    parts.storage = storage.part;
    return { parts, hostKeyHash: connection.hostKeyHash, auditCpuSeconds: storage.auditCpuSeconds };
  } catch (fault) {
    if (!(fault instanceof PodSessionFault)) throw fault;
    parts.storage = { ...parts.storage, verdict: 'fail', code: 'NO_SESSION', message: fault.message };
    return { parts, hostKeyHash: connection.hostKeyHash, auditCpuSeconds: 0 };
  } finally {
    session.end();
  }
}

/** Tries every sampled port, and measures at the first that leads into the pod: from here, then from other vantage points. */
async function lookAtPorts(
  ports: MachineCheckPorts,
  { machine }: KnownMachine,
  grant: Signed<'grant'>,
  session: PodSession,
): Promise<{ tried: TriedPort[]; seen: VantageFindings[] }> {
  const mappings = grant.body.ports.filter((mapping) => mapping.pod !== 22);
  if (mappings.length === 0) return { tried: [], seen: [] };
  const secret = ports.randomBytes(32);
  await session.listen(
    secret,
    mappings.map((mapping) => mapping.pod),
  );
  const tried: TriedPort[] = [];
  const seen: VantageFindings[] = [];
  for (const mapping of mappings) {
    const target: PublishedPort = { host: machine.publicHost, port: mapping.host, podPort: mapping.pod, secret };
    const findings = await probePort(ports, target, seen.length === 0 ? ports.payloadBytes : 0);
    tried.push({ host: mapping.host, reached: findings.reached });
    if (!findings.reached || seen.length > 0) continue;
    seen.push({ ...findings, coordinates: ports.coordinates, isOwn: true });
    for (const point of ports.vantages()) {
      const report = await askVantage(ports, point, target, ports.payloadBytes);
      if (report !== null && report.reached) seen.push({ ...report, isOwn: false });
    }
  }
  return { tried, seen };
}

async function lookAtImage(
  ports: MachineCheckPorts,
  session: PodSession,
  { template, deployMs }: { template: Template | null; deployMs: number },
): Promise<ImagePart> {
  if (template === null) return imageNotTested('NOT_DUE', 'a large deploy is made once a week');
  return readBackImage(session, ports.randomBytes, template, deployMs);
}

/** Reads are timed on a quiet event loop; a proof that is timed elsewhere goes first. */
async function untilQuiet(ports: MachineCheckPorts, signal: AbortSignal): Promise<void> {
  const untilMs = ports.clock.nowMs() + QUIET_LIMIT_MS;
  while (ports.timing.size > 0 && ports.clock.nowMs() < untilMs && !signal.aborted)
    await pause(ports.clock, QUIET_LOOK_MS, signal);
}

function isWithin(range: { from: number; to: number }, port: number): boolean {
  return port >= range.from && port <= range.to;
}

/** A check in which nothing was tested yet. */
function nothing(range: { from: number; to: number }): MachineParts {
  const none = { verdict: 'not-tested' as const, code: 'NOT_REACHED', message: 'the check ended before' };
  return {
    storage: { ...none, bytesWritten: 0, bytesRead: 0, passes: 0, readP50Ms: 0, readP90Ms: 0, readP99Ms: 0 },
    image: imageNotTested(none.code, none.message),
    ports: { ...none, tried: 0, reached: 0, rangeReached: 0, rangePorts: range.to - range.from + 1 },
    network: { ...none, upBytesPerSecond: 0, downBytesPerSecond: 0, payloadBytes: 0, vantages: 0 },
    location: { ...none, rttMinMs: 0, distanceKmAtMost: 0, vantages: 0 },
  };
}
