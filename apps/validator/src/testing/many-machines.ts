/** Many machines at one validator, in memory and on a virtual clock: real leases, documents, scheduler and checks; simulated devices. */

import { keyFromUri } from '@celium/chain';
import type { SampleCounts } from '@celium/proof';
import { checkMachine, type CheckPorts } from '../check/check-machine.ts';
import { ManifestDirectory } from '../discovery/manifest-directory.ts';
import type { NetworkBarrier } from '../epoch/barrier-keeper.ts';
import type { AgentPort } from '../ports.ts';
import { Scheduler, type SchedulerPorts } from '../scheduler.ts';
import { Visits } from '../state/visits.ts';
import { openCheckBench, type CheckBench } from './check-bench.ts';
import { consentAsGiven, GIVEN_CONSENT, LocalAgent } from './local-agent.ts';
import { createPacedShells, PacedDevice, type PacedShellOptions } from './paced-shells.ts';
import { VirtualTime } from './virtual-time.ts';

const NO_SAMPLES: SampleCounts = { tiles: 0, leaves: 0, walks: 0 };
/** What every machine declares and every device does, in units per second. */
const RATE = 100;
const PROVIDER = keyFromUri('//one-provider');

export interface ManyMachines {
  bench: CheckBench;
  time: VirtualTime;
  agents: LocalAgent[];
  scheduler: Scheduler;
  ports: CheckPorts & SchedulerPorts & { directory: ManifestDirectory };
  lines: Array<Record<string, unknown>>;
  /** When each machine's chains were started, virtual ms, by machine id. */
  startedAtMs: Map<string, number[]>;
}

/** `count` machines of one provider, at most 1,000. `deviceOf` names the device of a machine by its number: two machines with one name share it. */
export async function openManyMachines(
  count: number,
  options: {
    deviceOf?: (index: number) => number;
    greetAfterMs?: (index: number) => number;
    barrier?: () => NetworkBarrier | null;
    parallel?: number;
  } = {},
): Promise<ManyMachines> {
  const time = new VirtualTime();
  const agents = Array.from({ length: count }, (_, index) => {
    const agent = new LocalAgent({
      nowMs: time.unixMs,
      name: `m${index}`,
      declaredWorkPerSecond: RATE,
      provider: PROVIDER,
    });
    agent.machine.publicHost = hostOf(index);
    return agent;
  });
  const startedAtMs = new Map<string, number[]>();
  const devices = new Map<number, PacedDevice>();
  const shells: PacedShellOptions = {
    deviceOf({ host }) {
      const name = options.deviceOf?.(indexOf(host)) ?? indexOf(host);
      const device = devices.get(name) ?? new PacedDevice(time, RATE);
      devices.set(name, device);
      return device;
    },
    greetAfterMs: ({ host }) => options.greetAfterMs?.(indexOf(host)) ?? 0,
    onStart({ host }) {
      const id = `m${indexOf(host)}`;
      startedAtMs.set(id, [...(startedAtMs.get(id) ?? []), time.nowMs()]);
    },
  };
  const bench = openCheckBench({ agent: agents[0]!, clock: time, shellPort: createPacedShells(time, shells) });
  const directory = new ManifestDirectory(bench.database, consentAsGiven);
  for (const { machine } of agents) machine.consent = GIVEN_CONSENT;
  const machines = agents.map((agent) => agent.machine);
  directory.take(await agents[0]!.manifest(1, { machines }), { netuid: 51 }, time.unixMs());
  await directory.admit(async () => {});
  // Nothing here has to survive a crash, and hundreds of machines would wait for the disk.
  bench.database.exec('PRAGMA synchronous = OFF');
  const lines: Array<Record<string, unknown>> = [];
  const ports: CheckPorts & SchedulerPorts & { directory: ManifestDirectory } = {
    ...bench.ports,
    agent: routeTo(agents),
    // Invented answers cannot be audited: only what the clock says decides.
    auditor: {
      audit: async () => ({
        outcome: { ok: true, failure: null, checked: NO_SAMPLES, wrong: NO_SAMPLES },
        cpuSeconds: 0,
      }),
      auditPair: () => Promise.reject(new Error('paced devices are never paired')),
    },
    directory,
    visits: new Visits(bench.database),
    intervals: { recheckMs: 90 * 60_000, retryMs: 300_000 },
    parallel: options.parallel ?? 16,
    assignmentOf: () => ({ place: 0, sinceMs: 0 }),
    barrier: options.barrier ?? (() => null),
    logs: { releaseDueAtMs: () => null, isUnchecked: () => false },
    checksAll: false,
    auditBacklog: () => 0,
    report: (line) => void lines.push(line),
  };
  const scheduler = new Scheduler(ports, (known, units, signal, start) =>
    checkMachine(ports, known, units, signal, start),
  );
  return { bench, time, agents, scheduler, ports, lines, startedAtMs };
}

function hostOf(index: number): string {
  return `10.0.${Math.floor(index / 256)}.${index % 256}`;
}

function indexOf(host: string): number {
  const [, , high = 0, low = 0] = host.split('.').map(Number);
  return high * 256 + low;
}

/** One port in front of many agents, by machine key. */
function routeTo(agents: readonly LocalAgent[]): AgentPort {
  const byKey = new Map(agents.map((agent) => [agent.machine.machineKey, agent]));
  const of = (key: string): LocalAgent => byKey.get(key)!;
  return {
    requestLease: (agent, request) => of(agent.machineKey).requestLease(agent, request),
    leaseStatus: (agent, leaseId) => of(agent.machineKey).leaseStatus(agent, leaseId),
    command: (agent, command) => of(agent.machineKey).command(agent, command),
  };
}
