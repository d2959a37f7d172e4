/** Desk and reconciler of one machine on a simulated clock and an engine in memory; the store is real, and survives a crash. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFromUri, signConsent, signDocument, toHex } from '@celium/chain';
import {
  CeliumError,
  type CrashPoint,
  type LeaseCommand,
  type LeaseRequest,
  type LeaseStatus,
  type ManifestMachine,
  type Signed,
} from '@celium/contract';
import type { AgentIdentity } from '../leases/desk-ports.ts';
import { LeaseDesk, type RequestAnswer } from '../leases/lease-desk.ts';
import { silentLog } from '../log.ts';
import type { OwnManifest } from '../manifest/manifest-source.ts';
import { EngineImages } from '../pods/image-source.ts';
import type { LeaseFolders } from '../pods/lease-folder.ts';
import { NetworkPool } from '../pods/network-pool.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import { LeaseStore } from '../store/lease-store.ts';
import { signLeaseCommand, signLeaseRequest } from './market.ts';
import { MemoryEngine } from './memory-engine.ts';
import { SimulatedClock, settle } from './simulated-clock.ts';

const agentKey = keyFromUri('//Machine');
export const marketKey = keyFromUri('//Market');
export const validatorKey = keyFromUri('//Validator');

/** Thrown at a crash point: the "process" is dead from there on. */
export class Killed extends Error {}

export class AgentInMemory {
  readonly clock = new SimulatedClock();
  readonly engine = new MemoryEngine(() => this.clock.nowMs());
  readonly keysOfPods = new Map<string, readonly string[]>();
  /** Private host keys of pods, as OpenSSH reads them. */
  readonly hostKeysOfPods = new Map<string, string>();
  readonly statuses: LeaseStatus[] = [];
  readonly grants: Array<Signed<'grant'>> = [];
  freeDiskBytes = Infinity;
  revoked = false;
  /** Resolves when SSH of a pod answers; replace it to delay or never answer. */
  awaitBanner = async (_hosts: readonly string[], _port: number, signal: AbortSignal): Promise<void> =>
    signal.throwIfAborted();
  hasPermit = async (): Promise<boolean> => true;
  crashAt: CrashPoint | null = null;
  machine: ManifestMachine;
  store!: LeaseStore;
  reconciler!: Reconciler;
  desk!: LeaseDesk;
  identity!: AgentIdentity;
  readonly #dir = mkdtempSync(join(tmpdir(), 'celium-memory-'));
  #bootId = 'boot-1';
  #run = 0;

  constructor(units = ['cpu:m']) {
    this.machine = {
      machineId: 'm',
      machineKey: toHex(agentKey.publicKey),
      agentUrl: 'https://gpu.example.com:7750',
      tlsKeyHash: 'cd'.repeat(32),
      publicHost: 'gpu.example.com',
      portRange: { from: 40_000, to: 40_009 },
      units,
      offer: { priceMicroUsdPerUnitHour: '1', committedUntilMs: 0 },
      host: { cpuCores: 4, memoryBytes: 8 * 1024 ** 3, diskBytes: 0 },
      markets: [{ url: 'https://market.example.com', key: toHex(marketKey.publicKey) }],
      payoutColdkey: agentKey.ss58,
    };
  }

  /** Starts the agent, or starts it again after `crash`; `newBoot` says that the machine was off. */
  async start(newBoot = false): Promise<void> {
    if (newBoot) this.#bootId = `boot-${this.#run + 1}`;
    this.#run += 1;
    this.store = new LeaseStore(join(this.#dir, 'leases.sqlite'));
    this.identity = {
      key: agentKey,
      machineKey: this.machine.machineKey,
      bootId: this.#bootId,
      agentInstanceId: `run-${this.#run}`,
    };
    const { identity } = this;
    const manifest = (): OwnManifest => ({ machine: this.machine, revoked: this.revoked }) as OwnManifest;
    const { clock, engine, store } = this;
    let dead = false;
    const crash = (point: CrashPoint): void => {
      if (dead || point !== this.crashAt) return;
      dead = true;
      throw new Killed(point);
    };
    this.reconciler = new Reconciler({
      identity,
      manifest,
      store,
      folders: this.#folders(),
      engine,
      networks: new NetworkPool(engine, 2, clock, silentLog),
      images: new EngineImages(engine, store, 'sha256:base'),
      awaitBanner: (hosts, port, signal) => this.awaitBanner(hosts, port, signal),
      host: this.machine.host,
      toolsFolder: null,
      clock,
      crash,
      log: silentLog,
      freeDiskBytes: () => this.freeDiskBytes,
      minFreeDiskBytes: 1,
    });
    this.reconciler.onStatus((_record, status) => this.statuses.push(status));
    this.reconciler.onRegrant((record) => this.grants.push(record.grant));
    this.desk = new LeaseDesk({
      identity,
      manifest,
      hasPermit: () => this.hasPermit(),
      store,
      folders: this.#folders(),
      work: this.reconciler,
      clock,
      crash,
      log: silentLog,
    });
    const { reconciler } = this;
    void engine
      .watchDeaths(
        () => undefined,
        (death) => reconciler.podDied(death),
        new AbortController().signal,
      )
      .catch(() => undefined);
    await reconciler.start();
    await settle();
  }

  /** Ends this run without a word: nothing that it had begun goes on. */
  crash(): void {
    this.reconciler.stop();
    this.store.close();
  }

  /** Ends it for good. */
  destroy(): void {
    this.crash();
    rmSync(this.#dir, { recursive: true });
  }

  /** A manifest that lists the machine. */
  async manifest(): Promise<Signed<'manifest'>> {
    const hotkey = agentKey.ss58;
    const consent = await signConsent(agentKey, { hotkey, machineId: this.machine.machineId, issuedAtMs: 1 });
    const body = { hotkey, netuid: 51, serial: 1, issuedAtMs: 1, machines: [{ ...this.machine, consent }] };
    return await signDocument('manifest', body, agentKey);
  }

  /** Asks as the market, for the whole machine. */
  async ask(change: Partial<LeaseRequest> = {}, key = marketKey): Promise<RequestAnswer> {
    return await this.send(await this.sign(change, key), key);
  }

  async sign(change: Partial<LeaseRequest> = {}, key = marketKey): Promise<Signed<'lease-request'>> {
    return await signLeaseRequest(this.machine, key, { issuedAtMs: this.clock.nowMs(), ...change });
  }

  async send(request: Signed<'lease-request'>, key = marketKey): Promise<RequestAnswer> {
    const answer = await this.desk.request(request, toHex(key.publicKey));
    await settle();
    return answer;
  }

  /** Asks, and expects a grant. */
  async granted(change: Partial<LeaseRequest> = {}, key = marketKey): Promise<Signed<'grant'>> {
    const answer = await this.ask(change, key);
    if (!answer.ok) throw new CeliumError(answer.code, answer.message);
    return answer.grant;
  }

  /** Commands a lease; the code of the refusal, or `ok`. */
  async command(
    grant: Signed<'grant'>,
    action: LeaseCommand['action'],
    sequence: number,
    change: Partial<LeaseCommand> = {},
    key = marketKey,
  ): Promise<string> {
    const command = await signLeaseCommand(grant, key, action, sequence, { issuedAtMs: this.clock.nowMs(), ...change });
    const answer = await this.desk.command(command, toHex(key.publicKey));
    await settle();
    return answer.ok ? 'ok' : answer.code;
  }

  /** The lease as its authority sees it now. */
  status(grant: Signed<'grant'>): LeaseStatus {
    const record = this.store.lease(grant.body.leaseId);
    if (record === undefined) throw new Error('the lease is not on record');
    return this.reconciler.status(record);
  }

  #folders(): LeaseFolders {
    const keys = this.keysOfPods;
    const hostKeys = this.hostKeysOfPods;
    return {
      delivery: 'mounted',
      pack: async () => [],
      path: (leaseId) => `/leases/${leaseId}`,
      hasKey: (leaseId) => keys.has(leaseId),
      create: async (leaseId, hostKey, sshKeys) => {
        hostKeys.set(leaseId, hostKey);
        keys.set(leaseId, sshKeys);
      },
      writeKeys: async (leaseId, sshKeys) => void keys.set(leaseId, sshKeys),
      remove: async (leaseId) => void keys.delete(leaseId),
    };
  }
}
