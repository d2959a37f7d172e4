/** An agent for tests: real keys, real signatures, a real WebSocket; its pods are figures in memory. */
import {
  AGENT_SOCKET_PATH,
  AGENT_SOCKET_PROTOCOL,
  marketFrame,
  type AgentFrame,
  type Grant,
  type LeaseStatus,
  type ManifestMachine,
  type MarketFrame,
  type Signed,
} from '@celium/contract';
import { documentHash, keyFromUri, signConsent, signDocument, signRequest, toHex, type KeyPair } from '@celium/chain';
import { randomBytes, randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';

/** A host key line of the right form; nobody exchanges keys with it. */
export const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEhGQnVzeSBob3N0IGtleSBvZiBhIHRlc3QgcG9kLi4u';
const WAIT_MS = 10_000;

export interface FakeProvider {
  hotkey: KeyPair;
  machineKey: KeyPair;
  machineId: string;
}

/** A provider with keys of its own. */
export function makeProvider(): FakeProvider {
  const name = randomBytes(4).toString('hex');
  return {
    hotkey: keyFromUri(`//hotkey-${name}`),
    // Its consent has the same bytes each time, like that in the file of a real agent.
    machineKey: keyFromUri(`//machine-${name}`, { randomBytes: (length) => new Uint8Array(length) }),
    machineId: `m-${name}`,
  };
}

/** What a test changes of a manifest. */
export interface ManifestChanges {
  serial?: number;
  netuid?: number;
  priceMicroUsdPerUnitHour?: string;
  units?: string[];
  publicHost?: string;
  simulated?: boolean;
  marketKey?: string;
  machines?: ManifestMachine[];
}

/** One machine of a manifest. */
export function machineOf(provider: FakeProvider, marketKey: string, changes: ManifestChanges = {}): ManifestMachine {
  return {
    machineId: provider.machineId,
    machineKey: toHex(provider.machineKey.publicKey),
    agentUrl: 'https://127.0.0.1:7741',
    tlsKeyHash: '0'.repeat(64),
    publicHost: changes.publicHost ?? '127.0.0.1',
    portRange: { from: 20_000, to: 20_100 },
    units: changes.units ?? [`cpu:${provider.machineId}`],
    offer: { priceMicroUsdPerUnitHour: changes.priceMicroUsdPerUnitHour ?? '360000', committedUntilMs: 0 },
    host: { cpuCores: 2, memoryBytes: 8_000_000_000, diskBytes: 100_000_000_000 },
    markets: [{ url: 'http://127.0.0.1:7740', key: changes.marketKey ?? marketKey }],
    payoutColdkey: keyFromUri('//coldkey').ss58,
    ...(changes.simulated === true ? { simulated: true } : {}),
  };
}

export async function signManifest(
  provider: FakeProvider,
  marketKey: string,
  changes: ManifestChanges = {},
): Promise<Signed<'manifest'>> {
  const machines = changes.machines ?? [machineOf(provider, marketKey, changes)];
  const { hotkey, machineKey, machineId } = provider;
  const consent = await signConsent(machineKey, { hotkey: hotkey.ss58, machineId, issuedAtMs: 1_700_000_000_000 });
  const own = toHex(machineKey.publicKey);
  const body = {
    hotkey: provider.hotkey.ss58,
    netuid: changes.netuid ?? 51,
    serial: changes.serial ?? 1,
    issuedAtMs: 1_700_000_000_000,
    machines: machines.map((machine) => (machine.machineKey === own ? { consent, ...machine } : machine)),
  };
  return signDocument('manifest', body, provider.hotkey);
}

export interface AgentOptions {
  url: string;
  marketKey: string;
  provider: FakeProvider;
  manifest?: Signed<'manifest'>;
  changes?: ManifestChanges;
  leases?: LeaseStatus[];
  now?: () => number;
  bootId?: string;
}

/** A connected agent. */
export class FakeAgent {
  readonly provider: FakeProvider;
  readonly frames: MarketFrame[] = [];
  readonly #socket: WebSocket;
  readonly #waiting = new Set<() => void>();
  readonly #bootId: string;
  closedWith: { code: number; reason: string } | null = null;

  private constructor(socket: WebSocket, provider: FakeProvider, bootId: string) {
    this.#socket = socket;
    this.provider = provider;
    this.#bootId = bootId;
    socket.on('message', (data: Buffer) => {
      this.frames.push(marketFrame.parse(JSON.parse(data.toString('utf8'))));
      this.#wakeAll();
    });
    socket.on('close', (code, reason) => {
      this.closedWith = { code, reason: reason.toString() };
      this.#wakeAll();
    });
    socket.on('error', () => undefined);
  }

  /** Opens the socket and says hello; `welcome` may be waited for. Throws what the upgrade was refused with. */
  static async connect(options: AgentOptions): Promise<FakeAgent> {
    const { provider } = options;
    const clock = {
      now: options.now ?? Date.now,
      randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    };
    const headers = await signRequest(
      { method: 'GET', path: AGENT_SOCKET_PATH, audience: options.marketKey },
      provider.machineKey,
      clock,
    );
    const socket = new WebSocket(options.url.replace('http', 'ws') + AGENT_SOCKET_PATH, AGENT_SOCKET_PROTOCOL, {
      headers,
    });
    const agent = new FakeAgent(socket, provider, options.bootId ?? 'agent-boot');
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
        response.on('end', () => reject(new Error(text)));
      });
    });
    const manifest = options.manifest ?? (await signManifest(provider, options.marketKey, options.changes));
    const machine = manifest.body.machines.find((listed) => listed.machineKey === toHex(provider.machineKey.publicKey));
    agent.send({
      type: 'hello',
      ...agent.#identity,
      version: '0.1.0',
      manifest,
      leases: options.leases ?? [],
      units: machine?.units ?? [],
    });
    return agent;
  }

  /** The first frame that fits, come or to come. */
  async expect<Type extends MarketFrame['type']>(
    type: Type,
    fits: (frame: Extract<MarketFrame, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<MarketFrame, { type: Type }>> {
    const deadlineMs = performance.now() + WAIT_MS;
    for (;;) {
      const found = this.frames.find(
        (frame): frame is Extract<MarketFrame, { type: Type }> => frame.type === type && fits(frame as never),
      );
      if (found !== undefined) return found;
      if (this.closedWith !== null)
        throw new Error(`the socket was closed: ${this.closedWith.code} ${this.closedWith.reason}`);
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0)
        throw new Error(`no ${type} came; these did: ${this.frames.map((frame) => frame.type).join(', ')}`);
      await this.#next(leftMs);
    }
  }

  /** Why the market closed the socket. */
  async closed(): Promise<{ code: number; reason: string }> {
    const deadlineMs = performance.now() + WAIT_MS;
    while (this.closedWith === null && performance.now() < deadlineMs) await this.#next(deadlineMs - performance.now());
    if (this.closedWith === null) throw new Error('the socket is still open');
    return this.closedWith;
  }

  send(frame: AgentFrame): void {
    this.#socket.send(JSON.stringify(frame));
  }

  sendRaw(text: string): void {
    this.#socket.send(text);
  }

  /** Answers a request with a grant, and returns it. */
  async grant(request: Signed<'lease-request'>, changes: Partial<Grant> = {}): Promise<Signed<'grant'>> {
    const body: Grant = {
      leaseId: randomUUID(),
      requestId: request.body.requestId,
      requestHash: documentHash(request),
      authority: request.signer,
      machineId: this.provider.machineId,
      units: request.body.units,
      fence: Date.now(),
      kind: 'paid',
      termMs: request.body.termMs,
      hostKey: HOST_KEY,
      ports: [{ pod: 22, host: 20_001 }],
      bootId: this.#bootId,
      agentInstanceId: 'instance',
      issuedAtMs: Date.now(),
      ...changes,
    };
    const grant = await signDocument('grant', body, this.provider.machineKey);
    this.send({ type: 'grant', grant });
    return grant;
  }

  async refuse(request: Signed<'lease-request'>, code: string, message: string): Promise<void> {
    const { requestId } = request.body;
    const body = { requestId, machineId: this.provider.machineId, code, message, issuedAtMs: Date.now() };
    this.send({ type: 'lease-refusal', refusal: await signDocument('lease-refusal', body, this.provider.machineKey) });
  }

  /** One lease's state, as a status frame of its own or inside a heartbeat. */
  status(
    grant: Signed<'grant'>,
    state: LeaseStatus['state'],
    cumulativeMs: number,
    more: Partial<LeaseStatus> = {},
  ): LeaseStatus {
    const { leaseId, requestId, fence } = grant.body;
    const podInstance = state === 'granted' || state === 'pulling' ? null : 'pod-1';
    return { leaseId, requestId, fence, state, podInstance, cumulativeMs, goneReason: null, detail: null, ...more };
  }

  say(lease: LeaseStatus): void {
    this.send({ type: 'lease-status', ...this.#identity, lease });
  }

  heartbeat(leases: LeaseStatus[]): void {
    this.send({ type: 'heartbeat', ...this.#identity, leases });
  }

  /** Resolves when the market has worked in everything said so far: frames are worked in one after the other. */
  async settled(): Promise<void> {
    const [leaseId, requestId] = [randomUUID(), randomUUID()];
    const podInstance = null;
    const gone = { leaseId, requestId, fence: 1, state: 'gone' as const, podInstance, cumulativeMs: 0 };
    this.say({ ...gone, goneReason: 'stopped', detail: null });
    await this.expect('gone-noted', (frame) => frame.leaseId === leaseId);
  }

  close(): void {
    this.#socket.close();
  }

  get #identity(): { machineId: string; bootId: string; agentInstanceId: string } {
    return { machineId: this.provider.machineId, bootId: this.#bootId, agentInstanceId: 'instance' };
  }

  #next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
    });
  }

  #wakeAll(): void {
    for (const wake of this.#waiting) wake();
  }
}
