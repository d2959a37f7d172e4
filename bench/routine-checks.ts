/**
 * A validator at work: routine checks of many machines through the real scheduler, leases, challenges, audit threads, receipts and store, in real
 * time. Simulated are devices, agents and the link; the sizes are those of the dearest routine audit.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { DatabaseSync } from 'node:sqlite';
import { keyFromUri } from '@celium/chain';
import { claimedGpu } from '@celium/domain';
import { chainWorkUnits, CHAIN_SECONDS, paramsForClaim, type SizeClass } from '@celium/proof';
import { AuditPool } from '../apps/validator/src/audit/pool.ts';
import { checkMachine } from '../apps/validator/src/check/check-machine.ts';
import { createLagMeter } from '../apps/validator/src/check/loop-lag.ts';
import { systemTime } from '../apps/validator/src/clock.ts';
import { ManifestDirectory } from '../apps/validator/src/discovery/manifest-directory.ts';
import { Scheduler } from '../apps/validator/src/scheduler.ts';
import { auditThreads } from '../apps/validator/src/settings.ts';
import { Visits } from '../apps/validator/src/state/visits.ts';
import { openCheckBench } from '../apps/validator/src/testing/check-bench.ts';
import { consentAsGiven, GIVEN_CONSENT, LocalAgent } from '../apps/validator/src/testing/local-agent.ts';
import { type Figure, roundFigure } from '../tools/figures.ts';
import { simulatedGpus } from './simulated-gpus.ts';
import { median } from './statistics.ts';

/** The class whose routine audit costs most. */
const SIZE_CLASS: SizeClass = 'gpu';
/** Checks at the same time: most of a check's time passes at the machine. */
const PARALLEL = 48;
const SCHEDULE_EVERY_MS = 250;
const LIMIT_MS = 30 * 60_000;
/** Targets of the design page: 1,000 checks in 8 minutes on two cores, and per unit. */
const TARGET_S_PER_1000 = 480;
const TARGET_CPU_S = 0.4;
const TARGET_BYTES = 200_000;
/** What the heap may have grown between the first tenth and the end: far below the proofs that went through it. */
const TARGET_HEAP_GROWTH_MB = 32;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heapMb(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 1e6;
}

/** Runs `checks` routine checks, each of another machine. */
export async function measureRoutineChecks(
  checks: number,
  progress: (line: string) => void,
): Promise<Record<string, Figure>> {
  const provider = keyFromUri('//bench-provider');
  const agents = Array.from({ length: checks }, (_, index) => {
    const units = [`GPU-${index.toString(16).padStart(8, '0')}-0000`];
    return new LocalAgent({ nowMs: Date.now, name: `sim-${index}`, units, provider });
  });
  for (const { machine } of agents)
    machine.gpus = [{ unit: machine.units[0]!, model: 'NVIDIA RTX PRO 6000 Blackwell', memoryBytes: 96_000_000_000 }];
  // The sizes that a check of such a machine asks for.
  const { machine: first } = agents[0]!;
  const { memoryBytes } = claimedGpu(first.gpus, first.units[0]!);
  const params = paramsForClaim(SIZE_CLASS, 'routine', memoryBytes);
  for (const { machine } of agents)
    machine.declaredWorkPerSecond = Math.ceil(chainWorkUnits(params) / CHAIN_SECONDS.routine);
  const byKey = new Map(agents.map((agent) => [agent.machine.machineKey, agent]));
  const bench = openCheckBench({ agent: agents[0]!, clock: systemTime, shellPort: simulatedGpus(params) });
  const auditor = new AuditPool(auditThreads(64, availableParallelism()));
  const directory = new ManifestDirectory(bench.database, consentAsGiven);
  for (const { machine } of agents) machine.consent = GIVEN_CONSENT;
  const machines = agents.map((agent) => agent.machine);
  directory.take(await agents[0]!.manifest(1, { machines }), { netuid: 51 }, Date.now());
  await directory.admit(async () => {});
  seedPasses(bench.database, agents);
  const lines: Array<Record<string, unknown>> = [];
  const checked = new Set<string>();
  const ports = {
    ...bench.ports,
    agent: {
      requestLease: (agent, request) => byKey.get(agent.machineKey)!.requestLease(agent, request),
      leaseStatus: (agent, leaseId) => byKey.get(agent.machineKey)!.leaseStatus(agent, leaseId),
      command: (agent, command) => byKey.get(agent.machineKey)!.command(agent, command),
    } satisfies typeof bench.ports.agent,
    auditor,
    lag: createLagMeter(),
    sizeClassOf: () => SIZE_CLASS,
    directory,
    visits: new Visits(bench.database),
    intervals: { recheckMs: 90 * 60_000, retryMs: 600_000 },
    parallel: PARALLEL,
    // Invented answers are failures, which would be repeated within the benchmark: every machine is ours until it was checked once.
    assignmentOf: (machineKey: string) => ({ place: checked.has(machineKey) ? -1 : 0, sinceMs: 0 }),
    barrier: () => null,
    logs: { releaseDueAtMs: () => null, isUnchecked: () => false },
    checksAll: false,
    auditBacklog: () => auditor.backlog,
    report: (line: Record<string, unknown>) => {
      lines.push(line);
      checked.add(String(line['machineKey']));
    },
  };
  const scheduler = new Scheduler(ports, (known, units, signal) => checkMachine(ports, known, units, signal));
  const stop = AbortSignal.timeout(LIMIT_MS);
  const before = process.cpuUsage();
  const startedAtMs = performance.now();
  let earlyHeapMb = 0;
  let said = 0;
  while (lines.length < checks && !stop.aborted) {
    scheduler.startDue(stop);
    await new Promise((resolve) => setTimeout(resolve, SCHEDULE_EVERY_MS));
    if (lines.length < said + checks / 10) continue;
    said = lines.length;
    if (earlyHeapMb === 0) earlyHeapMb = heapMb();
    progress(`${said} of ${checks} routine checks after ${Math.round((performance.now() - startedAtMs) / 1000)} s`);
  }
  await scheduler.settle();
  const wallS = (performance.now() - startedAtMs) / 1000;
  const { user, system } = process.cpuUsage(before);
  const heapGrowthMb = heapMb() - earlyHeapMb;
  await auditor.close();
  const receipts = bench.ports.receipts.newest(checks);
  bench.close();

  const codeOf = (line: Record<string, unknown>): string => (line['reason'] as { code: string }).code;
  const codes = new Set(lines.map(codeOf));
  // Every answer was recomputed and found invented: nothing was late, void or lost on the way there.
  const audited = lines.filter((line) => codeOf(line) === 'wrong-seed' && Number(line['auditCpuSeconds']) > 0);
  const bytes = receipts.flatMap(
    ({ body }) => (body.proof as { figures: { bytesReceived: number } }).figures.bytesReceived,
  );
  const note = (value: number | string, unit: string, target: Figure['target'] = null): Figure => ({
    value: typeof value === 'number' ? roundFigure(value) : value,
    unit,
    target,
  });
  const what = `${checks} routine checks (devices, agents and link simulated)`;
  return {
    [`${what}: wall time`]: note(wallS, 's', checks === 1_000 ? { atMost: TARGET_S_PER_1000 } : null),
    [`${what}: wall time per 1,000`]: note((wallS / checks) * 1_000, 's'),
    [`${what}: audited in full and in time`]: note(audited.length, 'count', { equals: checks }),
    [`${what}: CPU per unit, whole validator with its simulated devices`]: note(
      (user + system) / 1e6 / checks,
      'cpu-s',
      {
        atMost: TARGET_CPU_S,
      },
    ),
    [`${what}: CPU per unit, audit alone, median`]: note(
      median(lines.map((line) => Number(line['auditCpuSeconds']))),
      'cpu-s',
    ),
    [`${what}: heap growth from the first tenth to the end`]: note(heapGrowthMb, 'MB', {
      atMost: TARGET_HEAP_GROWTH_MB,
    }),
    [`${what}: largest proof`]: note(Math.max(...bytes), 'bytes', { atMost: TARGET_BYTES }),
    [`${what}: longest stall of the event loop`]: note(Math.max(...lines.map((line) => Number(line['lagMs']))), 'ms'),
    [`${what}: verdicts, since the answers are invented`]: note([...codes].join(', '), 'text'),
    [`${what}: audit threads`]: note(auditThreads(64, availableParallelism()), 'count'),
  };
}

/** A pass of every unit a while ago, so that every check is a routine one and due. */
function seedPasses(database: DatabaseSync, agents: readonly LocalAgent[]): void {
  const insert = database.prepare(
    `INSERT INTO receipts (receipt_id, machine_key, hotkey, unit, verdict, ended_at_ms, receipt, grant, transcript_hash)
     VALUES (?, ?, ?, ?, 'pass', ?, '{}', '{}', '')`,
  );
  database.exec('BEGIN');
  for (const { machine, provider } of agents)
    insert.run(
      Buffer.from(randomBytes(16)).toString('hex'),
      machine.machineKey,
      provider.ss58,
      machine.units[0]!,
      Date.now() - 3 * 3_600_000,
    );
  database.exec('COMMIT');
}
