/** Many hostile hosts at one validator, in memory and in virtual time: the real scheduler, checks, store and receipts; agents and shells do what they like. */

import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { documentHash, encodeSs58, type KeySigner } from '@celium/chain';
import type { LeaseStatus, ManifestMachine, Signed } from '@celium/contract';
import { checkMachine, type CheckPorts } from '../check/check-machine.ts';
import { ManifestDirectory } from '../discovery/manifest-directory.ts';
import type { AgentPort, CommandAnswer, LeaseAnswer, Shell, ShellPort } from '../ports.ts';
import { Scheduler, type SchedulerPorts } from '../scheduler.ts';
import { hashOfHostKeyLine } from '../shell/ssh-shell.ts';
import { Visits } from '../state/visits.ts';
import { openCheckBench, type CheckBench } from './check-bench.ts';
import { POISON, type HostKind } from './hostile-manners.ts';
import { hostileShell } from './hostile-shell.ts';
import { consentAsGiven, GIVEN_CONSENT, LocalAgent, POD_HOST_KEY } from './local-agent.ts';
import { VirtualTime } from './virtual-time.ts';

/** The most machines that one manifest lists. */
const MACHINES_PER_MANIFEST = 1_000;

export interface HostileHosts {
  bench: CheckBench;
  time: VirtualTime;
  scheduler: Scheduler;
  ports: CheckPorts & SchedulerPorts & { directory: ManifestDirectory };
  lines: Array<Record<string, unknown>>;
  /** Shells that were opened and not closed again. */
  openShells: Set<Shell>;
  kindOf: (machineId: string) => HostKind;
}

/** One host for each kind given, all of them due at once. */
export async function openHostileHosts(kinds: readonly HostKind[]): Promise<HostileHosts> {
  const time = new VirtualTime();
  const provider = new LocalAgent({ nowMs: time.unixMs, name: 'h0' });
  const machines = kinds.map((_, index) => machineOf(provider.machine, index));
  const kindOf = (machineId: string): HostKind => kinds[Number(machineId.slice(1))]!;
  const openShells = new Set<Shell>();
  const bench = openCheckBench({
    agent: provider,
    clock: time,
    shellPort: shellsOf(time, (host) => kindOf(host.split('.')[0]!), openShells),
  });
  bench.database.exec('PRAGMA synchronous = OFF');
  const directory = new ManifestDirectory(bench.database, consentAsGiven);
  for (let from = 0, number = 0; from < machines.length; from += MACHINES_PER_MANIFEST, number += 1) {
    const owner = number === 0 ? provider : new LocalAgent({ nowMs: time.unixMs, name: `more${number}` });
    const manifest = await owner.manifest(1, { machines: machines.slice(from, from + MACHINES_PER_MANIFEST) });
    const taken = directory.take(manifest, { netuid: 51 }, time.unixMs());
    if (!taken.ok) throw new Error(taken.message);
  }
  await directory.admit(async () => {});
  const lines: Array<Record<string, unknown>> = [];
  const ports: CheckPorts & SchedulerPorts & { directory: ManifestDirectory } = {
    ...bench.ports,
    hotkey: cheapSigner(),
    agent: agentsOf(kindOf, time),
    directory,
    visits: new Visits(bench.database),
    intervals: { recheckMs: 90 * 60_000, retryMs: 300_000 },
    parallel: kinds.length,
    assignmentOf: () => ({ place: 0, sinceMs: 0 }),
    barrier: () => null,
    logs: { releaseDueAtMs: () => null, isUnchecked: () => false },
    checksAll: false,
    auditBacklog: () => 0,
    report: (line) => void lines.push(line),
  };
  const scheduler = new Scheduler(ports, (known, units, signal, start) =>
    checkMachine(ports, known, units, signal, start),
  );
  return { bench, time, scheduler, ports, lines, openShells, kindOf };
}

function machineOf(like: ManifestMachine, index: number): ManifestMachine {
  const machineId = `h${index}`;
  const machineKey = createHash('sha256').update(machineId).digest('hex');
  return {
    ...like,
    machineId,
    machineKey,
    units: [`cpu:${machineId}`],
    publicHost: `${machineId}.example`,
    consent: GIVEN_CONSENT,
  };
}

/** Signatures are a matter of other tests; thousands of real ones would be most of what this one costs. */
function cheapSigner(): KeySigner {
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 5)]);
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const publicKey = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32));
  return { publicKey, ss58: encodeSs58(publicKey), sign: async (bytes) => new Uint8Array(sign(null, bytes, key)) };
}

function shellsOf(time: VirtualTime, kindOfHost: (host: string) => HostKind, openShells: Set<Shell>): ShellPort {
  return {
    newClientKey: () => ({ publicLine: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZpeHR1cmU', privateKey: '' }),
    async connect({ host, hostKey }) {
      const { connect, shell: manners } = kindOfHost(host);
      if (connect === 'refused') return { kind: 'unreachable', message: POISON };
      if (connect === 'other-key') return { kind: 'host-key-mismatch', seenHostKeyHash: 'ee'.repeat(32) };
      return {
        hostKeyHash: hashOfHostKeyLine(hostKey),
        async openShell() {
          if (connect === 'no-shell') throw new Error(POISON);
          const shell = hostileShell(time, manners ?? {});
          const counted: Shell = {
            ...shell,
            close() {
              openShells.delete(counted);
              shell.close();
            },
          };
          openShells.add(counted);
          return counted;
        },
        close: () => {},
      };
    },
  };
}

function agentsOf(kindOf: (machineId: string) => HostKind, time: VirtualTime): AgentPort {
  const status = (leaseId: string, said: Partial<LeaseStatus>): LeaseStatus => ({
    leaseId,
    requestId: leaseId,
    fence: 1,
    state: 'ready',
    podInstance: null,
    cumulativeMs: 0,
    goneReason: null,
    detail: null,
    ...said,
  });
  const error = (code: string): CommandAnswer => ({ kind: 'error', code, message: POISON, reachable: true });
  return {
    async requestLease(agent, request): Promise<LeaseAnswer> {
      const { grant } = kindOf(agent.machineId);
      if (grant === 'error') return { kind: 'error', code: 'HTTP_500', message: POISON, reachable: true };
      const unsigned = { signer: agent.machineKey, signature: 'ab'.repeat(64), version: 1 } as const;
      const { requestId, machineId, units } = request.body;
      if (grant === 'refusal') {
        const body = { requestId, machineId, code: POISON.slice(0, 64), message: POISON, issuedAtMs: 1 };
        return { kind: 'refused', refusal: { ...unsigned, document: 'lease-refusal', body } };
      }
      return { kind: 'granted', grant: { ...unsigned, document: 'grant', body: grantOf(request, grant, units, time) } };
    },
    async leaseStatus(agent, leaseId) {
      const { status: said } = kindOf(agent.machineId);
      return said === 'error' ? error('HTTP_500') : { kind: 'done', lease: status(leaseId, said ?? {}) };
    },
    async command(agent, command) {
      if (kindOf(agent.machineId).deaf === true) return error('HTTP_503');
      return { kind: 'done', lease: status(command.body.leaseId, { state: 'stopping' }) };
    },
  };
}

function grantOf(
  request: Signed<'lease-request'>,
  fault: HostKind['grant'],
  units: readonly string[],
  time: VirtualTime,
): Signed<'grant'>['body'] {
  return {
    leaseId: crypto.randomUUID(),
    requestId: request.body.requestId,
    requestHash: documentHash(request),
    authority: request.signer,
    machineId: request.body.machineId,
    units: fault === 'other-units' ? ['cpu:elsewhere'] : [...units],
    fence: 1,
    kind: 'verification',
    termMs: 900_000,
    hostKey: POD_HOST_KEY,
    ports: [{ pod: fault === 'no-ssh' ? 23 : 22, host: 40_000 }],
    bootId: POISON.slice(0, 64),
    agentInstanceId: POISON.slice(0, 64),
    issuedAtMs: time.unixMs(),
    // Fields of later versions are kept, and so is what a host writes there.
    remarks: POISON.repeat(50),
  };
}
