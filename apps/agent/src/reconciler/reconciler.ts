/**
 * Moves what the engine runs to what the leases say, whatever either was doing when the agent died.
 *
 * Each lease has one worker at a time; a grant, a command, a pod's death or the engine's return wakes it. A full pass every half
 * minute catches what no event told. Nothing in the way from a grant to a ready pod waits for that pass.
 */
import { CeliumError, type ErrorCode, type LeaseStatus } from '@celium/contract';
import type { CancelTimer } from '../clock.ts';
import type { LeaseWork } from '../leases/desk-ports.ts';
import { leftOfTermMs, noteTerm, type Moment } from '../leases/term.ts';
import { explain, type Log } from '../log.ts';
import { EngineAway, type PodDeath, type PodSighting } from '../pods/pod-engine.ts';
import { readyMs, type GoneReason, type LeaseRecord } from '../store/lease-record.ts';
import { forgetOldLeases, removeOldVolumes } from './housekeeping.ts';
import { findOrphans, planLease } from './plan.ts';
import { bringUp, deliverKeys, type PodPorts } from './pod-start.ts';

const FULL_PASS_MS = 30_000;
const ENGINE_RETRY_MS = 1_000;
const STOP_GRACE_MS = 5_000;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 30_000;
const LONGEST_TIMER_MS = 6 * 3_600_000;
/** A pod that restarted behind our back started this much after it was ready. */
const RESTART_SLACK_MS = 2_000;
const LOG_TAIL_BYTES = 600;

export interface ReconcilerPorts extends PodPorts {
  log: Log;
  /** Free bytes where pods and records are written, and how few are too few. */
  freeDiskBytes: () => number;
  minFreeDiskBytes: number;
}

/** Called with every change of a lease that its authority should hear of. */
export type StatusListener = (record: LeaseRecord, status: LeaseStatus) => void;

/** What is known of a lease beyond its record, in this run of the agent. */
interface Worker {
  state: LeaseStatus['state'];
  detail: string | null;
  busy: boolean;
  again: boolean;
  /** Granted in this run: no container can exist yet, so none is looked for. */
  fresh: boolean;
  /** Aborts what goes on now: a start is given up when the lease ends or its pod dies. */
  abort: AbortController;
  /** The container whose death ends what goes on now. */
  watched: string | null;
  /** The last death told or found, `atMs` on this boot's monotonic clock. */
  death: { id: string; atMs: number; exitCode: number | null } | null;
  failures: number;
  term: CancelTimer;
}

const GIVE_UP = 'the start was given up';

export class Reconciler implements LeaseWork {
  readonly #ports: ReconcilerPorts;
  readonly #workers = new Map<string, Worker>();
  readonly #listeners: StatusListener[] = [];
  readonly #regrantListeners: Array<(record: LeaseRecord) => void> = [];
  #engineAway: string | null = null;
  #askingAgain = false;
  #stopped = false;
  #passing: Promise<void> | null = null;
  #cancelPass: CancelTimer = () => undefined;

  constructor(ports: ReconcilerPorts) {
    this.#ports = ports;
    for (const record of ports.store.open()) this.#workerOf(record.leaseId);
  }

  onStatus(listener: StatusListener): void {
    this.#listeners.push(listener);
  }

  onRegrant(listener: (record: LeaseRecord) => void): void {
    this.#regrantListeners.push(listener);
  }

  /** Begins the passes; the first one puts right what an earlier run left. */
  async start(): Promise<void> {
    for (const record of this.#ports.store.open()) this.rearm(record.leaseId);
    await this.fullPass();
    this.#schedulePass();
  }

  /** Ends the passes. Pods go on running. */
  stop(): void {
    this.#stopped = true;
    this.#cancelPass();
    for (const worker of this.#workers.values()) worker.term();
  }

  begin(leaseId: string): void {
    const worker = this.#workerOf(leaseId);
    worker.fresh = true;
    this.rearm(leaseId);
    // The grant leaves first: its authority hears of the lease before it hears how the pod does.
    setImmediate(() => this.wake(leaseId));
  }

  end(leaseId: string, reason: GoneReason, detail: string | null, change: Partial<LeaseRecord> = {}): void {
    const { store, clock } = this.#ports;
    // The first reason counts: a pod that is stopped also dies.
    if (store.lease(leaseId)?.end !== null) return;
    store.end(leaseId, { reason, detail, atMs: Math.floor(clock.nowMs()) }, change);
    this.#ports.crash('agent.stop.stored');
    const worker = this.#workerOf(leaseId);
    worker.term();
    worker.abort.abort(new Error(GIVE_UP));
    this.#tell(leaseId, 'stopping', detail);
    this.wake(leaseId);
  }

  keysChanged(leaseId: string): void {
    const record = this.#ports.store.lease(leaseId);
    if (record === undefined || record.podInstance === null || record.end !== null || this.#stopped) return;
    deliverKeys(leaseId, record.podInstance, this.#ports).catch((fault: unknown) => {
      this.#ports.log.warn({ leaseId, fault: explain(fault) }, 'changed keys did not reach the pod; it is tried again');
      this.#ports.clock.after(ENGINE_RETRY_MS, () => this.keysChanged(leaseId));
    });
  }

  rearm(leaseId: string): void {
    const worker = this.#workerOf(leaseId);
    worker.term();
    const record = this.#ports.store.lease(leaseId);
    if (record === undefined || record.end !== null) return;
    const leftMs = leftOfTermMs(record.term, this.#moment());
    worker.term = this.#ports.clock.after(Math.min(leftMs, LONGEST_TIMER_MS), () => {
      const now = this.#ports.store.lease(leaseId);
      if (now === undefined || now.end !== null) return;
      if (leftOfTermMs(now.term, this.#moment()) > 0) this.rearm(leaseId);
      else this.#guarded(leaseId, () => this.end(leaseId, 'term-over', 'the term of the lease is over'));
    });
  }

  tellAgain(leaseId: string): void {
    const worker = this.#workerOf(leaseId);
    this.#tell(leaseId, worker.state, worker.detail);
  }

  trouble(): { code: ErrorCode; message: string } | null {
    if (this.#engineAway !== null) return { code: 'ENGINE_UNAVAILABLE', message: this.#engineAway };
    const { freeDiskBytes, minFreeDiskBytes } = this.#ports;
    if (freeDiskBytes() >= minFreeDiskBytes) return null;
    return { code: 'DISK_FULL', message: 'the machine has too little free disk space to start a pod' };
  }

  /** The lease as its authority sees it. */
  status(record: LeaseRecord): LeaseStatus {
    const worker = this.#workers.get(record.leaseId);
    const untilMs = diedMs(record, worker) ?? this.#ports.clock.monotonicMs();
    const away = this.#engineAway === null ? null : `ENGINE_UNAVAILABLE: ${this.#engineAway}`;
    return {
      leaseId: record.leaseId,
      requestId: record.grant.body.requestId,
      fence: record.grant.body.fence,
      state: record.gone !== null ? 'gone' : record.end !== null ? 'stopping' : (worker?.state ?? 'granted'),
      podInstance: record.podInstance,
      cumulativeMs: readyMs(record, this.#ports.identity.bootId, untilMs),
      goneReason: record.gone === null ? null : (record.end?.reason ?? 'stopped'),
      detail: (record.end?.detail ?? worker?.detail ?? (record.gone === null ? away : null))?.slice(0, 2_000) ?? null,
    };
  }

  /** The engine stopped answering: leases stay, nothing is decided about pods, and it is asked again every second. */
  engineLost(why: string): void {
    if (this.#stopped) return;
    const wasThere = this.#engineAway === null;
    this.#engineAway = why;
    if (wasThere) this.#tellAll('the engine went away');
    if (this.#askingAgain) return;
    this.#askingAgain = true;
    this.#ports.clock.after(ENGINE_RETRY_MS, () => {
      this.#askingAgain = false;
      void this.fullPass();
    });
  }

  /** A pod's first process ended. */
  podDied(death: PodDeath): void {
    const record = this.#ports.store.lease(death.leaseId);
    if (record === undefined || record.gone !== null) return;
    const worker = this.#workerOf(death.leaseId);
    worker.death = { id: death.id, atMs: this.#monotonicOf(death.atMs), exitCode: death.exitCode };
    if (worker.watched === death.id) worker.abort.abort(new Error(GIVE_UP));
    this.wake(death.leaseId);
  }

  /** Looks at one lease now, or again when its worker is busy. */
  wake(leaseId: string): void {
    const worker = this.#workerOf(leaseId);
    worker.again = true;
    if (worker.busy || this.#stopped) return;
    worker.busy = true;
    void this.#work(leaseId, worker).finally(() => {
      worker.busy = false;
      if (worker.again) this.wake(leaseId);
    });
  }

  /** Compares everything with everything. Passes do not overlap. */
  async fullPass(): Promise<void> {
    this.#passing ??= this.#comparePods().finally(() => (this.#passing = null));
    await this.#passing;
  }

  async #comparePods(): Promise<void> {
    const { store, engine, networks, log, identity } = this.#ports;
    try {
      const pods = await engine.listPods();
      if (this.#engineAway !== null) {
        this.#engineAway = null;
        this.#tellAll('the engine is back');
      }
      for (const orphan of findOrphans(store.all(), pods)) {
        log.warn({ pod: orphan.id, leaseId: orphan.leaseId }, 'a container without a lease is removed');
        await engine.removePod(orphan.id);
        networks.give(orphan.network);
      }
      const byLease = new Map(pods.map((pod) => [pod.leaseId, pod]));
      for (const record of store.all()) {
        const step = planLease(record, byLease.get(record.leaseId) ?? null, identity.bootId);
        if (step.do !== 'nothing') this.wake(record.leaseId);
        else if (record.gone === null) this.#note(record);
      }
      await networks.adopt();
      await removeOldVolumes(this.#ports);
      for (const leaseId of forgetOldLeases(this.#ports)) this.#workers.delete(leaseId);
    } catch (fault) {
      if (fault instanceof EngineAway) this.engineLost(explain(fault));
      else log.error({ fault: explain(fault) }, 'a full pass failed and is repeated');
    }
  }

  #schedulePass(): void {
    if (this.#stopped) return;
    this.#cancelPass = this.#ports.clock.after(FULL_PASS_MS, () => {
      void this.fullPass().finally(() => this.#schedulePass());
    });
  }

  async #work(leaseId: string, worker: Worker): Promise<void> {
    // Bounded: each turn either changes the record, waits for an event, or leaves.
    for (let turn = 0; worker.again && turn < 10 && !this.#stopped; turn += 1) {
      worker.again = false;
      try {
        await this.#turn(leaseId, worker);
        worker.failures = 0;
      } catch (fault) {
        this.#onFault(leaseId, worker, fault);
      }
    }
  }

  async #turn(leaseId: string, worker: Worker): Promise<void> {
    const { store, engine, identity } = this.#ports;
    const found = worker.fresh ? null : await engine.findPod(leaseId);
    worker.fresh = false;
    // The engine tells a death a moment before its lists show it.
    const isDead = found !== null && found.id === worker.death?.id;
    const pod: PodSighting | null = isDead ? { ...found, state: 'exited' } : found;
    const record = store.lease(leaseId);
    if (record === undefined) return;
    const step = planLease(record, pod, identity.bootId);
    switch (step.do) {
      case 'nothing':
        if (record.gone === null && pod !== null) await this.#checkAdopted(record, pod, worker);
        return;
      case 'create':
        return await this.#start(record, null, worker);
      case 'start':
      case 'await-ready':
        return await this.#start(record, step.pod, worker);
      case 'end':
        return this.end(leaseId, step.reason, await this.#explainDeath(step.detail, pod, worker));
      case 'remove':
        return await this.#remove(record, step.pod, worker);
    }
  }

  /** A pod that was ready in an earlier run and still runs is ready, unless it restarted in between. */
  async #checkAdopted(record: LeaseRecord, pod: PodSighting, worker: Worker): Promise<void> {
    if (worker.state === 'ready' || record.ready === null) return;
    const ending = await this.#ports.engine.inspectPod(pod.id);
    if ((ending?.startedAtMs ?? 0) > record.ready.atMs + RESTART_SLACK_MS) {
      return this.end(record.leaseId, 'pod-died', 'the pod was restarted by someone else');
    }
    worker.watched = pod.id;
    this.#tell(record.leaseId, 'ready', null);
  }

  async #start(record: LeaseRecord, found: PodSighting | null, worker: Worker): Promise<void> {
    const { leaseId } = record;
    worker.abort = new AbortController();
    await bringUp(
      leaseId,
      found,
      this.#ports,
      {
        state: (state, detail) => this.#tell(leaseId, state, detail),
        regranted: (moved) => {
          for (const listener of this.#regrantListeners) listener(moved);
        },
        watching: (podId) => {
          worker.watched = podId;
          if (worker.death?.id === podId) worker.abort.abort(new Error(GIVE_UP));
        },
      },
      worker.abort.signal,
    );
    const { clock, store, identity } = this.#ports;
    const now = store.lease(leaseId);
    if (now === undefined || now.end !== null || diedMs(now, worker) !== null) {
      worker.again = true;
      return;
    }
    const mark = { bootId: identity.bootId, monotonicMs: clock.monotonicMs(), atMs: Math.floor(clock.nowMs()) };
    store.update(leaseId, { ready: mark }, false);
    this.#tell(leaseId, 'ready', null);
    // A command may have changed them between their delivery and now.
    this.keysChanged(leaseId);
  }

  async #remove(record: LeaseRecord, pod: PodSighting | null, worker: Worker): Promise<void> {
    const { engine, store, networks, folders, clock, log } = this.#ports;
    const { leaseId } = record;
    if (record.gone !== null) {
      if (pod !== null) await engine.removePod(pod.id);
      return;
    }
    if (pod !== null) {
      if (pod.state === 'running') await engine.stopPod(pod.id, STOP_GRACE_MS);
      const ending = await engine.inspectPod(pod.id);
      if (ending?.finishedAtMs !== null && ending?.finishedAtMs !== undefined) {
        worker.death = { id: pod.id, atMs: this.#monotonicOf(ending.finishedAtMs), exitCode: ending.exitCode };
      }
      // Noted before the container goes: a crash right after would leave nobody who knows.
      const dying = { ...record, podInstance: pod.id };
      store.update(leaseId, { podInstance: pod.id, notedReadyMs: this.#finalReadyMs(dying, worker) }, false);
      await engine.removePod(pod.id);
      networks.give(pod.network);
    }
    await folders.remove(leaseId);
    this.#ports.crash('agent.pod.removed');
    const last = store.lease(leaseId) ?? record;
    const cumulativeMs = this.#finalReadyMs(last, worker);
    store.release(leaseId, { cumulativeMs, atMs: Math.floor(clock.nowMs()) });
    log.info({ leaseId, reason: last.end?.reason, cumulativeMs }, 'lease is gone');
    this.#tell(leaseId, 'gone', last.end?.detail ?? null);
  }

  /** How long the pod was ready in all: up to its death, or, when nobody saw it, as long as was noted. */
  #finalReadyMs(record: LeaseRecord, worker: Worker): number {
    const atMs = diedMs(record, worker);
    return atMs === null ? record.notedReadyMs : readyMs(record, this.#ports.identity.bootId, atMs);
  }

  async #explainDeath(detail: string, pod: PodSighting | null, worker: Worker): Promise<string> {
    if (pod === null) return detail;
    const { engine } = this.#ports;
    try {
      const [ending, output] = await Promise.all([
        engine.inspectPod(pod.id),
        engine.readLogs(pod.id, 5, LOG_TAIL_BYTES),
      ]);
      const exitCode = ending?.exitCode ?? worker.death?.exitCode ?? 'unknown';
      return `${detail} (exit status ${exitCode}). Last output: ${output.trim() || 'none'}`;
    } catch {
      return detail;
    }
  }

  #onFault(leaseId: string, worker: Worker, fault: unknown): void {
    const { store, log, clock } = this.#ports;
    if (worker.abort.signal.aborted) {
      worker.abort = new AbortController();
      worker.again = true;
      return;
    }
    if (fault instanceof EngineAway) return this.engineLost(explain(fault));
    const record = store.lease(leaseId);
    log.error({ leaseId, fault: explain(fault) }, 'a step of a lease failed');
    if (record !== undefined && record.end === null && record.ready === null) {
      const code = fault instanceof CeliumError ? fault.code : diskIsFull(fault) ? 'DISK_FULL' : 'POD_START_FAILED';
      return this.#guarded(leaseId, () => this.end(leaseId, 'start-failed', `${code}: ${explain(fault)}`));
    }
    worker.failures += 1;
    const delayMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** worker.failures);
    clock.after(delayMs, () => this.wake(leaseId));
  }

  /** Does something that must be written, and tries again later when it cannot be. */
  #guarded(leaseId: string, act: () => void): void {
    try {
      act();
    } catch (fault) {
      this.#ports.log.error(
        { leaseId, fault: explain(fault) },
        'the end of a lease could not be stored; it is tried again',
      );
      this.#ports.clock.after(RETRY_LAST_MS, () => {
        this.rearm(leaseId);
        this.wake(leaseId);
      });
    }
  }

  #tellAll(why: string): void {
    this.#ports.log.warn({ engine: this.#engineAway }, why);
    for (const record of this.#ports.store.open()) this.tellAgain(record.leaseId);
  }

  #tell(leaseId: string, state: LeaseStatus['state'], detail: string | null): void {
    const worker = this.#workerOf(leaseId);
    worker.state = state;
    worker.detail = detail;
    const record = this.#ports.store.lease(leaseId);
    if (record === undefined) return;
    const status = this.status(record);
    for (const listener of this.#listeners) listener(record, status);
  }

  /** Writes down what only the running clock knows, so that a reboot loses at most half a minute of it. */
  #note(record: LeaseRecord): void {
    const { store, identity, clock } = this.#ports;
    const worker = this.#workerOf(record.leaseId);
    if (record.ready !== null && worker.death === null && worker.state !== 'ready') return this.wake(record.leaseId);
    const noted = readyMs(record, identity.bootId, diedMs(record, worker) ?? clock.monotonicMs());
    store.update(record.leaseId, { term: noteTerm(record.term, this.#moment()), notedReadyMs: noted }, false);
  }

  #workerOf(leaseId: string): Worker {
    let worker = this.#workers.get(leaseId);
    if (worker === undefined) {
      worker = {
        state: 'granted',
        detail: null,
        busy: false,
        again: false,
        fresh: false,
        abort: new AbortController(),
        watched: null,
        death: null,
        failures: 0,
        term: () => undefined,
      };
      this.#workers.set(leaseId, worker);
    }
    return worker;
  }

  #moment(): Moment {
    return { bootId: this.#ports.identity.bootId, monotonicMs: this.#ports.clock.monotonicMs() };
  }

  /** A wall-clock time of the engine on the monotonic clock; never in the future. */
  #monotonicOf(atMs: number): number {
    const { clock } = this.#ports;
    return clock.monotonicMs() - Math.max(0, clock.nowMs() - atMs);
  }
}

/** When the pod of a lease died, on the monotonic clock; null while that is not known. */
function diedMs(record: LeaseRecord, worker: Worker | undefined): number | null {
  const death = worker?.death ?? null;
  return death !== null && death.id === record.podInstance ? death.atMs : null;
}

function diskIsFull(fault: unknown): boolean {
  return /no space left|disk is full/i.test(String(fault));
}
