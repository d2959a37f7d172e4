/** The gateway for agents: one WebSocket per machine, its upgrade signed by the machine key, its frames parsed strictly and in order. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  AGENT_SOCKET_PATH,
  AGENT_SOCKET_PROTOCOL,
  CeliumError,
  ERRORS,
  HEARTBEAT_INTERVAL_MS,
  MAX_FRAME_BYTES,
  agentFrame,
  errorBody,
  parseStrangersJson,
  type AgentFrame,
  type LeaseStatus,
} from '@celium/contract';
import { toHex, verifyRequest, type NonceStore } from '@celium/chain';
import type { MarketMoment } from '@celium/domain';
import { WebSocketServer, type WebSocket } from 'ws';
import { namedDatabaseFault, type MarketDatabase } from '../database/market-database.ts';
import type { MarketPorts } from '../ports.ts';
import { acceptInventory } from './host-alarms.flow.ts';
import { closeSession, keepSession, openSession } from './machines.store.ts';
import { acceptManifest, type ManifestParts } from './manifests.flow.ts';
import type { AgentSession, AgentSessions } from './sessions.ts';

/** Silence after which an agent counts as gone, in milliseconds: three heartbeats. */
const SILENCE_MS = 3 * HEARTBEAT_INTERVAL_MS;
/** A session outlives its last frame by this in the database, so that a short stall does not show. */
const ALIVE_MS = SILENCE_MS + 5_000;
const HELLO_TIMEOUT_MS = 10_000;
const MAX_SOCKETS = 20_000;
const MAX_QUEUED_FRAMES = 256;
/** How long agents have to answer a close when the market stops, in milliseconds. */
const STOP_GRACE_MS = 500;

export { SESSION_CHANNEL } from './machines.store.ts';

/** What the market does with an agent's word. Each call ends before the next frame of that agent is looked at. */
export interface AgentEvents {
  onConnected(session: AgentSession, leases: LeaseStatus[], received: MarketMoment): Promise<void>;
  onStatuses(session: AgentSession, leases: LeaseStatus[], received: MarketMoment): Promise<void>;
  /** The document as it came, unverified. */
  onGrant(session: AgentSession, grant: unknown): Promise<void>;
  onRefusal(session: AgentSession, refusal: unknown): Promise<void>;
  onCommandResult(session: AgentSession, result: Extract<AgentFrame, { type: 'command-result' }>): Promise<void>;
}

export interface GatewayParts extends ManifestParts {
  ports: MarketPorts;
  database: MarketDatabase;
  nonces: NonceStore;
  replicaId: string;
  sessions: AgentSessions;
  events: AgentEvents;
  onRefusedSignature(refusal: { code: string; signer: string | null; path: string }): void;
}

export interface Gateway {
  /** Takes over the upgrades of an HTTP server. */
  attach(server: Server): void;
  /** Closes all sockets and waits until what they had said is worked in. */
  stop(): Promise<void>;
}

export function makeGateway(parts: GatewayParts): Gateway {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    clientTracking: true,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(AGENT_SOCKET_PROTOCOL) ? AGENT_SOCKET_PROTOCOL : false),
  });
  const connections = new Set<Connection>();
  let stopping = false;
  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    if (stopping || sockets.clients.size >= MAX_SOCKETS)
      throw new CeliumError('RATE_LIMITED', 'no more agents fit here: try again later');
    const machineKey = await authenticate(parts, request);
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      const connection = new Connection(parts, accepted, machineKey);
      connections.add(connection);
      void connection.ended.finally(() => connections.delete(connection));
    });
  };
  return {
    attach: (server) => {
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        socket.on('error', () => socket.destroy());
        upgrade(request, socket, head).catch((fault: unknown) => refuseUpgrade(parts, socket, fault));
      });
    },
    stop: async () => {
      stopping = true;
      for (const client of sockets.clients) client.close(1_001, 'the market stops');
      const grace = setTimeout(() => {
        for (const client of sockets.clients) client.terminate();
      }, STOP_GRACE_MS);
      await Promise.all([...connections].map((connection) => connection.ended));
      clearTimeout(grace);
    },
  };
}

async function authenticate(parts: GatewayParts, request: IncomingMessage): Promise<string> {
  const path = request.url ?? '/';
  if (path !== AGENT_SOCKET_PATH) throw new CeliumError('NOT_FOUND', `agents connect at ${AGENT_SOCKET_PATH}`);
  const { key, clock } = parts.ports;
  const received = { method: 'GET', path, headers: request.headers };
  const verified = await verifyRequest(received, { self: key, now: () => clock.now(), nonces: parts.nonces });
  if (!verified.ok) {
    const signer = request.headers['x-celium-key'];
    parts.onRefusedSignature({
      code: verified.code,
      signer: typeof signer === 'string' ? signer.slice(0, 64) : null,
      path,
    });
    const details = verified.clock === undefined ? {} : { details: { clock: verified.clock } };
    throw new CeliumError(verified.code, verified.message, details);
  }
  return verified.signer;
}

function refuseUpgrade(parts: GatewayParts, socket: Duplex, fault: unknown): void {
  const error = namedDatabaseFault(fault);
  const code = error instanceof CeliumError ? error.code : 'INTERNAL';
  if (code === 'INTERNAL') parts.ports.log.error({ err: fault }, 'an upgrade failed');
  else parts.ports.log.info({ code }, 'an agent’s upgrade was refused');
  const body = JSON.stringify(errorBody(error));
  const head = [
    `HTTP/1.1 ${ERRORS[code].status} Refused`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** One socket: waits for `hello`, then works its frames in, one after the other. */
class Connection {
  readonly #parts: GatewayParts;
  readonly #socket: WebSocket;
  readonly #machineKey: string;
  #session: AgentSession | null = null;
  #queued = 0;
  #work: Promise<void> = Promise.resolve();
  #silence: NodeJS.Timeout;
  /** Resolves when the socket is closed, what came over it is worked in, and its session is over. */
  readonly ended: Promise<void>;

  constructor(parts: GatewayParts, socket: WebSocket, machineKey: string) {
    this.#parts = parts;
    this.#socket = socket;
    this.#machineKey = machineKey;
    this.#silence = setTimeout(() => socket.close(4_408, 'TIMEOUT: no hello came'), HELLO_TIMEOUT_MS);
    socket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary));
    this.ended = new Promise((resolve) => socket.on('close', () => resolve(this.#closed())));
    // A broken socket also closes; there is nothing else to do.
    socket.on('error', () => undefined);
  }

  #receive(data: Buffer, isBinary: boolean): void {
    const received = this.#parts.ports.clock.moment();
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket.terminate(), SILENCE_MS);
    if (isBinary) return this.#refuse(new CeliumError('BAD_REQUEST', 'frames are JSON text'));
    this.#queued += 1;
    if (this.#queued > MAX_QUEUED_FRAMES)
      return this.#refuse(new CeliumError('RATE_LIMITED', 'frames come faster than they are worked in'));
    this.#work = this.#work
      .then(() => this.#workIn(data, received))
      .catch((fault: unknown) => this.#fail(fault))
      .finally(() => {
        this.#queued -= 1;
      });
  }

  async #workIn(data: Buffer, received: MarketMoment): Promise<void> {
    if (this.#socket.readyState > this.#socket.OPEN && this.#session === null) return;
    let raw: Record<string, unknown>;
    try {
      raw = parseStrangersJson(data.toString('utf8')) as Record<string, unknown>;
    } catch {
      throw new CeliumError('BAD_REQUEST', 'a frame is no JSON');
    }
    const parsed = agentFrame.safeParse(raw);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new CeliumError(
        'BAD_REQUEST',
        `a frame is malformed: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
      );
    }
    const frame = parsed.data;
    if (frame.type === 'hello') return this.#greet(frame, raw['manifest'], received);
    const session = this.#session;
    if (session === null) throw new CeliumError('BAD_REQUEST', 'the first frame is `hello`');
    await this.#dispatch(session, frame, raw, received);
  }

  async #dispatch(
    session: AgentSession,
    frame: AgentFrame,
    raw: Record<string, unknown>,
    received: MarketMoment,
  ): Promise<void> {
    const { events, sessions, database, ports } = this.#parts;
    switch (frame.type) {
      case 'hello':
        return;
      case 'heartbeat': {
        if (!(await keepSession(database.db, session, ports.clock.now() + ALIVE_MS))) {
          throw new CeliumError('CONFLICT', 'a newer connection of this machine took over');
        }
        return events.onStatuses(session, frame.leases, received);
      }
      case 'lease-status':
        return events.onStatuses(session, [frame.lease], received);
      // Documents go on as they came: a schema drops fields that it does not know, and the signature covers them.
      case 'inventory':
        return acceptInventory(this.#parts, session, raw['inventory']);
      case 'grant':
        return events.onGrant(session, raw['grant']);
      case 'lease-refusal':
        return events.onRefusal(session, raw['refusal']);
      case 'command-result':
        return events.onCommandResult(session, frame);
      case 'logs':
        return sessions.answerLogs(session.machineKey, frame);
    }
  }

  async #greet(
    frame: Extract<AgentFrame, { type: 'hello' }>,
    manifest: unknown,
    received: MarketMoment,
  ): Promise<void> {
    const { database, ports, replicaId, sessions, events } = this.#parts;
    const machineKey = this.#machineKey;
    const { accepted, epoch } = await database.transaction(async (tx) => {
      const known = await acceptManifest(this.#parts, tx, manifest, machineKey);
      if (known.machine.machineId !== frame.machineId) {
        throw new CeliumError(
          'BAD_REQUEST',
          `the manifest calls this machine ${known.machine.machineId}, hello says ${frame.machineId}`,
        );
      }
      const { bootId, agentInstanceId, version } = frame;
      const facts = { machineKey, replicaId, bootId, agentInstanceId, version };
      return { accepted: known, epoch: await openSession(tx, facts, ports.clock.now() + ALIVE_MS) };
    });
    const { hotkey, machine } = accepted;
    const session = {
      machineKey,
      hotkey,
      machineId: machine.machineId,
      epoch,
      bootId: frame.bootId,
      socket: this.#socket,
    };
    this.#session = session;
    sessions.add(session);
    sessions.dropRevoked(accepted.revokedKeys);
    sessions.send(machineKey, {
      type: 'welcome',
      marketKey: toHex(ports.key.publicKey),
      marketTimeMs: ports.clock.now(),
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
    });
    ports.log.info({ machineKey, machineId: machine.machineId, epoch }, 'an agent connected');
    await events.onConnected(session, frame.leases, received);
  }

  /** A fault of the agent closes its socket with the code; a fault of ours leaves it, since agents say everything again. */
  #fail(fault: unknown): void {
    const error = namedDatabaseFault(fault);
    if (error instanceof CeliumError && error.code !== 'DATABASE_UNAVAILABLE') return this.#refuse(error);
    this.#parts.ports.log.error({ err: fault, machineKey: this.#machineKey }, 'a frame could not be worked in');
    if (this.#session === null) this.#socket.close(1_013, 'try again');
  }

  #refuse(error: CeliumError): void {
    this.#parts.ports.log.warn(
      { code: error.code, message: error.message, machineKey: this.#machineKey },
      'an agent was refused',
    );
    // A close reason has at most 123 bytes.
    this.#socket.close(
      4_000 + ERRORS[error.code].status,
      Buffer.from(`${error.code}: ${error.message}`)
        .subarray(0, 120)
        .toString('latin1')
        .replaceAll(/[^ -~]/g, '?'),
    );
  }

  async #closed(): Promise<void> {
    clearTimeout(this.#silence);
    await this.#work;
    const session = this.#session;
    if (session === null || !this.#parts.sessions.remove(session)) return;
    try {
      await closeSession(this.#parts.database.db, session);
    } catch (fault) {
      this.#parts.ports.log.warn({ err: fault }, 'a session could not be closed; it ends by itself');
    }
  }
}
