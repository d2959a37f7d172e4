/**
 * The agent's one outward WebSocket to a market: requests and commands come in, grants and states go out.
 *
 * A market that is down touches no pod: the link tries again for ever, and tells everything anew when it is back.
 */
import { WebSocket } from 'ws';
import { RequestSigner, clockOfErrorBody, verifyDocument } from '@celium/chain';
import {
  AGENT_SOCKET_PATH,
  AGENT_SOCKET_PROTOCOL,
  HEARTBEAT_INTERVAL_MS,
  INVENTORY_INTERVAL_MS,
  MAX_FRAME_BYTES,
  marketFrame,
  parseStrangersJson,
  type AgentFrame,
  type LeaseStatus,
  type MarketFrame,
  type Signed,
} from '@celium/contract';
import type { CancelTimer, Clock } from '../clock.ts';
import type { AgentIdentity } from '../leases/desk-ports.ts';
import type { LeaseDesk } from '../leases/lease-desk.ts';
import { explain, type Log } from '../log.ts';
import type { OwnManifest } from '../manifest/manifest-source.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { LeaseRecord } from '../store/lease-record.ts';
import type { LeaseStore } from '../store/lease-store.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 10_000;
const SILENCE_MS = 35_000;
const MAX_WAITING_BYTES = 8_388_608;
const MAX_LEASES_IN_FRAME = 1_000;
const MAX_ERROR_BYTES = 65_536;
const LOG_BYTES = 900_000;

export interface MarketLinkPorts {
  identity: AgentIdentity;
  manifest: () => OwnManifest;
  desk: LeaseDesk;
  reconciler: Reconciler;
  store: LeaseStore;
  /** What the host is like, signed. */
  inventory: { read(): Promise<Signed<'inventory'>> };
  /** The newest lines of a pod's output. */
  readLogs: (podId: string, tailLines: number, maxBytes: number) => Promise<string>;
  clock: Clock;
  randomBytes: (length: number) => Uint8Array;
  version: string;
  log: Log;
}

export class MarketLink {
  readonly #market: { url: string; key: string };
  readonly #ports: MarketLinkPorts;
  readonly #signer: RequestSigner;
  #socket: WebSocket | null = null;
  #open = false;
  #stopped = false;
  #retryMs = FIRST_RETRY_MS;
  #cancelRetry: CancelTimer = () => undefined;
  #cancelBeat: CancelTimer = () => undefined;
  #cancelInventory: CancelTimer = () => undefined;
  #heardMs = 0;

  /** `market.key` is the market's public key (hex): the authority of its requests and the audience of ours. */
  constructor(market: { url: string; key: string }, ports: MarketLinkPorts) {
    this.#market = market;
    this.#ports = ports;
    this.#signer = new RequestSigner(ports.identity.key, { now: ports.clock.nowMs, randomBytes: ports.randomBytes });
  }

  get key(): string {
    return this.#market.key;
  }

  get url(): string {
    return this.#market.url;
  }

  start(): void {
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
    this.#cancelBeat();
    this.#cancelInventory();
    this.#socket?.close(1001, 'the agent ends');
    this.#socket?.terminate();
  }

  /** Says hello again, for example with a new manifest. */
  greet(): void {
    if (this.#open) this.#hello();
  }

  /** Tells a change at once; when the market is away, the next hello tells it. */
  tell(status: LeaseStatus): void {
    this.#send({ type: 'lease-status', ...this.#who(), lease: status });
  }

  /** A grant that was signed again. */
  tellGrant(grant: Signed<'grant'>): void {
    this.#send({ type: 'grant', grant });
  }

  async #connect(retriedForClock = false): Promise<void> {
    if (this.#stopped) return;
    const url = new URL(this.#market.url);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.pathname = `${url.pathname.replace(/\/+$/, '')}${AGENT_SOCKET_PATH}`;
    const headers = await this.#signer.sign({ method: 'GET', path: url.pathname, audience: this.#market.key });
    if (this.#stopped) return;
    const socket = new WebSocket(url, [AGENT_SOCKET_PROTOCOL], {
      headers,
      maxPayload: MAX_FRAME_BYTES,
      handshakeTimeout: CONNECT_TIMEOUT_MS,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    let adopted = false;
    socket.on('open', () => this.#onOpen());
    socket.on('message', (data, isBinary) => this.#onMessage(data as Buffer, isBinary));
    socket.on('pong', () => (this.#heardMs = this.#ports.clock.monotonicMs()));
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text = `${text}${chunk}`.slice(0, MAX_ERROR_BYTES)));
      response.on('end', () => {
        adopted = this.#adoptClock(text, headers);
        this.#ports.log.warn({ market: this.url, status: response.statusCode, text: text.slice(0, 300) }, 'refused');
        socket.terminate();
        socket.emit('close', 1006, Buffer.alloc(0));
      });
    });
    socket.on('error', (fault) => this.#ports.log.debug({ market: this.url, fault: explain(fault) }, 'link error'));
    socket.once('close', (code: number, reason: Buffer) => {
      this.#onClose(socket, `${code} ${reason.toString('utf8')}`.trim(), adopted && !retriedForClock);
    });
  }

  #adoptClock(text: string, headers: Record<string, string>): boolean {
    try {
      const statement = clockOfErrorBody(JSON.parse(text));
      return statement !== null && this.#signer.adopt(this.#market.key, headers, statement);
    } catch {
      return false;
    }
  }

  #onOpen(): void {
    this.#open = true;
    this.#heardMs = this.#ports.clock.monotonicMs();
    this.#ports.log.info({ market: this.url }, 'market connected');
    this.#hello();
    this.#beatLater(HEARTBEAT_INTERVAL_MS);
  }

  #onClose(socket: WebSocket, why: string, atOnce: boolean): void {
    if (socket !== this.#socket || this.#stopped) return;
    const wasOpen = this.#open;
    this.#open = false;
    this.#socket = null;
    this.#cancelBeat();
    this.#cancelInventory();
    if (wasOpen) this.#ports.log.warn({ market: this.url, why }, 'market connection lost');
    if (atOnce) return void this.#connect(true);
    const jitter = 0.5 + (this.#ports.randomBytes(1)[0] ?? 0) / 512;
    this.#cancelRetry = this.#ports.clock.after(this.#retryMs * jitter, () => void this.#connect());
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    this.#heardMs = this.#ports.clock.monotonicMs();
    const frame = isBinary ? null : parseFrame(data);
    if (frame === null) {
      this.#ports.log.warn({ market: this.url }, 'a frame that is not of the protocol is ignored');
      return;
    }
    this.#take(frame).catch((fault: unknown) => {
      this.#ports.log.error(
        { market: this.url, type: frame.type, fault: explain(fault) },
        'a frame could not be taken',
      );
    });
  }

  async #take(frame: MarketFrame): Promise<void> {
    const { desk, store, log } = this.#ports;
    switch (frame.type) {
      case 'welcome':
        if (frame.marketKey !== this.key) {
          log.error({ market: this.url, key: frame.marketKey }, 'another market answers than the manifest names');
          this.#socket?.terminate();
          return;
        }
        // Only a market that takes us in resets the wait: one that opens and closes at once is not pressed.
        this.#retryMs = FIRST_RETRY_MS;
        this.#inventoryLater(0);
        return;
      case 'lease-request': {
        const answer = await desk.request(frame.request, this.key);
        if (answer.ok) this.#send({ type: 'grant', grant: answer.grant });
        else if (answer.refusal !== null) this.#send({ type: 'lease-refusal', refusal: answer.refusal });
        else log.warn({ market: this.url, code: answer.code, message: answer.message }, 'a request is ignored');
        return;
      }
      case 'lease-command': {
        const answer = await desk.command(frame.command, this.key);
        const { leaseId, sequence } = frame.command.body;
        const why = answer.ok ? {} : { code: answer.code, message: answer.message };
        this.#send({ type: 'command-result', leaseId, sequence, ok: answer.ok, ...why });
        return;
      }
      case 'gone-noted': {
        const record = this.#ownLease(frame.leaseId);
        if (record !== undefined && record.gone !== null && !record.noted)
          store.update(record.leaseId, { noted: true }, false);
        return;
      }
      case 'logs-query':
        this.#send(await this.#logs(frame.queryId, frame.leaseId, frame.tailLines));
        return;
    }
  }

  async #logs(queryId: string, leaseId: string, tailLines: number): Promise<AgentFrame> {
    const record = this.#ownLease(leaseId);
    if (record === undefined || record.podInstance === null || record.gone !== null) {
      const message = 'the lease has no container now';
      return { type: 'logs', queryId, ok: false, code: 'LEASE_UNKNOWN', message };
    }
    try {
      return {
        type: 'logs',
        queryId,
        ok: true,
        text: await this.#ports.readLogs(record.podInstance, tailLines, LOG_BYTES),
      };
    } catch (fault) {
      return { type: 'logs', queryId, ok: false, code: 'ENGINE_UNAVAILABLE', message: explain(fault) };
    }
  }

  #hello(): void {
    const { version, manifest } = this.#ports;
    const { signed, machine } = manifest();
    this.#send({
      type: 'hello',
      ...this.#who(),
      version,
      manifest: signed,
      leases: this.#ownStatuses(),
      units: machine.units,
    });
  }

  #beatLater(delayMs: number): void {
    this.#cancelBeat();
    this.#cancelBeat = this.#ports.clock.after(delayMs, () => {
      if (this.#ports.clock.monotonicMs() - this.#heardMs > SILENCE_MS) {
        this.#socket?.terminate();
        return;
      }
      this.#socket?.ping();
      this.#send({ type: 'heartbeat', ...this.#who(), leases: this.#ownStatuses() });
      this.#beatLater(HEARTBEAT_INTERVAL_MS);
    });
  }

  /** Tells what the host is like, now and then: a host that cannot be looked at is no reason to say nothing else. */
  #inventoryLater(delayMs: number): void {
    const { clock, inventory, log } = this.#ports;
    this.#cancelInventory();
    this.#cancelInventory = clock.after(delayMs, () => {
      this.#inventoryLater(INVENTORY_INTERVAL_MS);
      inventory.read().then(
        (signed) => this.#sendInventory(signed),
        (fault: unknown) => log.warn({ market: this.url, fault: explain(fault) }, 'the inventory could not be taken'),
      );
    });
  }

  /** Drivers say odd things: a document that no market would take must not cost the connection. */
  #sendInventory(signed: Signed<'inventory'>): void {
    const checked = verifyDocument('inventory', signed);
    if (checked.ok) this.#send({ type: 'inventory', inventory: signed });
    else this.#ports.log.warn({ market: this.url, fault: checked.message }, 'an inventory that is none is not sent');
  }

  /** Leases of this market: open ones, and ended ones of which it has not taken note. */
  #ownStatuses(): LeaseStatus[] {
    const { store, reconciler } = this.#ports;
    return store
      .all()
      .filter((record) => record.grant.body.authority === this.key && !record.noted)
      .slice(0, MAX_LEASES_IN_FRAME)
      .map((record) => reconciler.status(record));
  }

  #ownLease(leaseId: string): LeaseRecord | undefined {
    const record = this.#ports.store.lease(leaseId);
    return record?.grant.body.authority === this.key ? record : undefined;
  }

  #who(): { machineId: string; bootId: string; agentInstanceId: string } {
    const { identity, manifest } = this.#ports;
    return {
      machineId: manifest().machine.machineId,
      bootId: identity.bootId,
      agentInstanceId: identity.agentInstanceId,
    };
  }

  #send(frame: AgentFrame): void {
    const socket = this.#socket;
    if (!this.#open || socket === null || socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > MAX_WAITING_BYTES) {
      this.#ports.log.warn({ market: this.url }, 'the market reads too slowly; the connection is made anew');
      socket.terminate();
      return;
    }
    socket.send(JSON.stringify(frame));
  }
}

function parseFrame(data: Buffer): MarketFrame | null {
  try {
    // The documents inside are passed on as received: their signatures cover fields that we do not know.
    const value = parseStrangersJson(data.toString('utf8'));
    return marketFrame.safeParse(value).success ? (value as MarketFrame) : null;
  } catch {
    return null;
  }
}
