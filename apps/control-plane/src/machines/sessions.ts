/** The agents that are connected to this replica: one session per machine, frames out, and answers to log queries. */
import { CeliumError, type MarketFrame } from '@celium/contract';
import type { WebSocket } from 'ws';

/** What is waiting to be sent to one agent may not grow beyond this, in bytes; a socket that does not drain is dropped. */
export const MAX_BUFFERED_BYTES = 8 * 1_048_576;
const MAX_QUERIES_PER_AGENT = 16;

/** One agent's connection after its `hello` was accepted. */
export interface AgentSession {
  readonly machineKey: string;
  readonly hotkey: string;
  readonly machineId: string;
  readonly epoch: number;
  readonly bootId: string;
  readonly socket: WebSocket;
}

/** What other features need of connected agents. */
export interface AgentLinks {
  /** True when the agent is connected to this replica. */
  isConnected(machineKey: string): boolean;
  /** Sends a frame; false when the agent is not connected here, or does not take what was sent before. */
  send(machineKey: string, frame: MarketFrame): boolean;
  /** The text of a pod's log. Throws AGENT_UNAVAILABLE, TIMEOUT, or what the agent answered. */
  queryLogs(
    machineKey: string,
    query: { queryId: string; leaseId: string; tailLines: number },
    timeoutMs: number,
  ): Promise<string>;
}

interface LogsAnswer {
  queryId: string;
  ok: boolean;
  text?: string | undefined;
  code?: string | undefined;
  message?: string | undefined;
}

export class AgentSessions implements AgentLinks {
  readonly #sessions = new Map<string, AgentSession>();
  readonly #queries = new Map<string, { machineKey: string; answer: (answer: LogsAnswer) => void }>();

  get size(): number {
    return this.#sessions.size;
  }

  /** Puts a session in its machine's place; an older one is closed. */
  add(session: AgentSession): void {
    const older = this.#sessions.get(session.machineKey);
    this.#sessions.set(session.machineKey, session);
    // A second `hello` on one socket (a new manifest) takes its own place.
    if (older !== undefined && older.socket !== session.socket) {
      older.socket.close(4_409, 'CONFLICT: a newer connection of this machine took over');
    }
  }

  /** Takes a session out; false when a newer one stands in its place. */
  remove(session: AgentSession): boolean {
    if (this.#sessions.get(session.machineKey) !== session) return false;
    return this.#sessions.delete(session.machineKey);
  }

  isConnected(machineKey: string): boolean {
    return this.#sessions.has(machineKey);
  }

  send(machineKey: string, frame: MarketFrame): boolean {
    const session = this.#sessions.get(machineKey);
    if (session === undefined || session.socket.readyState !== session.socket.OPEN) return false;
    if (session.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      session.socket.terminate();
      return false;
    }
    session.socket.send(JSON.stringify(frame));
    return true;
  }

  async queryLogs(
    machineKey: string,
    query: { queryId: string; leaseId: string; tailLines: number },
    timeoutMs: number,
  ): Promise<string> {
    const open = [...this.#queries.values()].filter((waiting) => waiting.machineKey === machineKey);
    if (open.length >= MAX_QUERIES_PER_AGENT) {
      throw new CeliumError('RATE_LIMITED', 'too many log queries to this machine at once', {
        details: { retryAfterSeconds: 1 },
      });
    }
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = await new Promise<LogsAnswer>((resolve, reject) => {
        this.#queries.set(query.queryId, { machineKey, answer: resolve });
        timer = setTimeout(
          () => reject(new CeliumError('TIMEOUT', `the agent did not answer within ${timeoutMs / 1_000} s`)),
          timeoutMs,
        );
        if (!this.send(machineKey, { type: 'logs-query', ...query })) reject(new CeliumError('AGENT_UNAVAILABLE'));
      });
      if (answer.ok) return answer.text ?? '';
      const code = answer.code === 'LEASE_UNKNOWN' ? 'LEASE_UNKNOWN' : 'AGENT_UNAVAILABLE';
      throw new CeliumError(code, answer.message);
    } finally {
      clearTimeout(timer);
      this.#queries.delete(query.queryId);
    }
  }

  /** Takes in an agent's answer to a log query; another machine's answer is ignored. */
  answerLogs(machineKey: string, answer: LogsAnswer): void {
    const waiting = this.#queries.get(answer.queryId);
    if (waiting?.machineKey === machineKey) waiting.answer(answer);
  }

  /** Drops the sessions of revoked machine keys. */
  dropRevoked(machineKeys: readonly string[]): void {
    for (const machineKey of machineKeys) {
      this.#sessions
        .get(machineKey)
        ?.socket.close(4_403, 'KEY_NOT_DELEGATED: a newer manifest leaves this machine key out');
    }
  }

  /** Takes note of `<machine key> <epoch>`: a session older than that, here, has been replaced at another replica. */
  noteOpened(notice: string): void {
    const [machineKey = '', epoch = '0'] = notice.split(' ');
    const session = this.#sessions.get(machineKey);
    if (session === undefined || session.epoch >= Number(epoch)) return;
    this.#sessions.delete(machineKey);
    session.socket.close(4_409, 'CONFLICT: a newer connection of this machine took over');
  }
}
