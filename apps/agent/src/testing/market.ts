/** A market's end of the agent's socket, for tests: checks the signed upgrade, keeps every frame, sends signed requests. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { MemoryNonceStore, signDocument, toHex, verifyRequest, type KeyPair } from '@celium/chain';
import {
  AGENT_SOCKET_PROTOCOL,
  CeliumError,
  HEARTBEAT_INTERVAL_MS,
  agentFrame,
  canonicalJson,
  errorBody,
  type AgentFrame,
  type LeaseCommand,
  type LeaseRequest,
  type LeaseStatus,
  type ManifestMachine,
  type MarketFrame,
  type Signed,
} from '@celium/contract';
import { BASE_IMAGE } from '@celium/domain';

type FrameOf<T extends AgentFrame['type']> = Extract<AgentFrame, { type: T }>;

export class TestMarket {
  readonly key: KeyPair;
  readonly frames: AgentFrame[] = [];
  /** How often an agent tried to connect, refused or not. */
  attempts = 0;
  /** The key that `welcome` tells, hex. */
  toldKey: string;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => AGENT_SOCKET_PROTOCOL });
  readonly #waiting = new Set<() => void>();
  #socket: WebSocket | null = null;
  #port = 0;

  /** `now` is the market's clock, unix ms. */
  constructor(key: KeyPair, now: () => number = Date.now) {
    this.key = key;
    this.toldKey = toHex(key.publicKey);
    const nonces = new MemoryNonceStore(now);
    this.#server = createServer((_request, response) => response.writeHead(404).end());
    this.#server.on('upgrade', (request, socket, head) => {
      const received = { method: 'GET', path: request.url ?? '', headers: request.headers };
      void verifyRequest(received, { self: key, now, nonces }).then((checked) => {
        this.attempts += 1;
        if (!checked.ok) {
          const details = checked.clock === undefined ? {} : { details: { clock: checked.clock } };
          const body = JSON.stringify(errorBody(new CeliumError(checked.code, checked.message, details)));
          const head = `HTTP/1.1 401 Unauthorized\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
          return socket.end(`${head}\r\n\r\n${body}`);
        }
        this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#onOpen(opened));
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
  }

  /** Drops the connection and refuses new ones, until `listen` is called again on the same port. */
  async goAway(): Promise<void> {
    this.#socket?.terminate();
    this.#socket = null;
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  send(frame: MarketFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  /** A signed lease request for the whole machine. */
  async sign(machine: ManifestMachine, change: Partial<LeaseRequest> = {}): Promise<Signed<'lease-request'>> {
    return await signLeaseRequest(machine, this.key, { authorityKind: 'market', kind: 'paid', ...change });
  }

  /** A signed command on a granted lease. */
  async command(
    grant: Signed<'grant'>,
    action: LeaseCommand['action'],
    sequence: number,
    change: Partial<LeaseCommand> = {},
  ): Promise<Signed<'lease-command'>> {
    return await signLeaseCommand(grant, this.key, action, sequence, change);
  }

  /** The first frame of a type for which `fits` is true, now or within `timeoutMs`. */
  async frame<T extends AgentFrame['type']>(
    type: T,
    fits: (frame: FrameOf<T>) => boolean = () => true,
    timeoutMs = 15_000,
  ): Promise<FrameOf<T>> {
    return await this.#find(`a ${type}`, timeoutMs, () =>
      this.frames.find((frame): frame is FrameOf<T> => frame.type === type && fits(frame as FrameOf<T>)),
    );
  }

  /** The lease as told by whatever frame first says that it is in `state`. */
  async lease(leaseId: string, state: LeaseStatus['state'], timeoutMs = 15_000): Promise<LeaseStatus> {
    return await this.#find(`lease in state ${state}`, timeoutMs, () =>
      this.frames.flatMap(leasesOf).find((lease) => lease.leaseId === leaseId && lease.state === state),
    );
  }

  /** The grant of a request, when it is there. */
  async grant(request: Signed<'lease-request'>): Promise<Signed<'grant'>> {
    return (await this.frame('grant', ({ grant }) => grant.body.requestId === request.body.requestId)).grant;
  }

  /** The refusal of a request, when it is there. */
  async refusal(request: Signed<'lease-request'>): Promise<Signed<'lease-refusal'>> {
    return (await this.frame('lease-refusal', ({ refusal }) => refusal.body.requestId === request.body.requestId))
      .refusal;
  }

  async #find<T>(what: string, timeoutMs: number, look: () => T | undefined): Promise<T> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`${what} did not come within ${timeoutMs} ms; there are: ${this.#summary()}`);
      await new Promise<void>((resolve) => {
        const waiting = this.#waiting;
        const timer = setTimeout(done, leftMs);
        function done(): void {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        }
        waiting.add(done);
      });
    }
  }

  #onOpen(socket: WebSocket): void {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      this.frames.push(agentFrame.parse(JSON.parse(data.toString('utf8'))));
      for (const wake of this.#waiting) wake();
    });
    this.send({
      type: 'welcome',
      marketKey: this.toldKey,
      marketTimeMs: Date.now(),
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
    });
  }

  #summary(): string {
    return this.frames
      .map((frame) => (frame.type === 'lease-status' ? `${frame.type}:${frame.lease.state}` : frame.type))
      .join(' ');
  }
}

function leasesOf(frame: AgentFrame): LeaseStatus[] {
  if (frame.type === 'hello' || frame.type === 'heartbeat') return frame.leases;
  return frame.type === 'lease-status' ? [frame.lease] : [];
}

/** A signed lease request for all units of a machine, with `change` applied. */
export async function signLeaseRequest(
  machine: ManifestMachine,
  key: KeyPair,
  change: Partial<LeaseRequest>,
): Promise<Signed<'lease-request'>> {
  const pod = change.pod ?? { image: BASE_IMAGE, env: {}, ports: [], volumeBytes: 0 };
  const body: LeaseRequest = {
    requestId: randomUUID(),
    authorityKind: 'market',
    machineId: machine.machineId,
    machineKey: machine.machineKey,
    units: machine.units,
    kind: 'paid',
    pod,
    podDigest: createHash('sha256').update(canonicalJson(pod)).digest('hex'),
    termMs: 60_000,
    sshKeys: [],
    sequence: 1,
    issuedAtMs: Date.now(),
    ...change,
  };
  return await signDocument('lease-request', body, key);
}

/** A signed command on a granted lease. */
export async function signLeaseCommand(
  grant: Signed<'grant'>,
  key: KeyPair,
  action: LeaseCommand['action'],
  sequence: number,
  change: Partial<LeaseCommand> = {},
): Promise<Signed<'lease-command'>> {
  const { leaseId, requestId, machineId, fence } = grant.body;
  const body: LeaseCommand = {
    leaseId,
    requestId,
    machineId,
    fence,
    sequence,
    action,
    issuedAtMs: Date.now(),
    ...change,
  };
  return await signDocument('lease-command', body, key);
}

/** Fresh bytes, as chain's clocks want them. */
export function fresh(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}
