/** One WebSocket to a node: JSON-RPC calls with a timeout each, and a bound on how many are open. */
import { CeliumError } from '@celium/contract';
import { WebSocket } from 'ws';

const LARGEST_ANSWER_BYTES = 32 * 1024 * 1024;
const MOST_OPEN_CALLS = 1_000;

/** What the node answered instead of a result. */
export class RpcRefusal extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** A connection. Calls throw `RpcRefusal` for what the node refuses, and `CHAIN_UNAVAILABLE` when no answer came. */
export interface RpcConnection {
  readonly url: string;
  isOpen(): boolean;
  call(method: string, params: readonly unknown[]): Promise<unknown>;
  close(): void;
}

interface OpenCall {
  resolve(result: unknown): void;
  reject(error: unknown): void;
  readonly timer: NodeJS.Timeout;
}

/** Opens a connection. Throws `CHAIN_UNAVAILABLE` when the node does not take it in time. */
export async function openRpc(url: string, timeoutMs: number): Promise<RpcConnection> {
  const socket = new WebSocket(url, { maxPayload: LARGEST_ANSWER_BYTES, handshakeTimeout: timeoutMs });
  const open = new Map<number, OpenCall>();
  let nextId = 1;
  const gone = (why: string): CeliumError => new CeliumError('CHAIN_UNAVAILABLE', `the node at ${url} ${why}`);

  function drop(error: unknown): void {
    for (const { reject, timer } of open.values()) {
      clearTimeout(timer);
      reject(error);
    }
    open.clear();
  }

  socket.on('message', (data: Buffer) => {
    const answer = readAnswer(data);
    const waiting = answer === null ? undefined : open.get(answer.id);
    if (answer === null || waiting === undefined) return;
    open.delete(answer.id);
    clearTimeout(waiting.timer);
    if (answer.error === undefined) waiting.resolve(answer.result);
    else waiting.reject(new RpcRefusal(answer.error.code, answer.error.message, answer.error.data));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', (cause) => {
      reject(new CeliumError('CHAIN_UNAVAILABLE', `no node answers at ${url}`, { cause }));
    });
  });
  socket.on('close', () => drop(gone('closed the connection')));
  socket.on('error', () => drop(gone('broke the connection')));

  return {
    url,
    isOpen: () => socket.readyState === WebSocket.OPEN,
    call: (method, params) =>
      new Promise((resolve, reject) => {
        if (socket.readyState !== WebSocket.OPEN) return reject(gone('closed the connection'));
        if (open.size >= MOST_OPEN_CALLS) return reject(gone(`has ${MOST_OPEN_CALLS} unanswered calls`));
        const id = nextId;
        nextId += 1;
        const timer = setTimeout(() => {
          open.delete(id);
          reject(gone(`did not answer ${method} within ${timeoutMs} ms`));
        }, timeoutMs);
        open.set(id, { resolve, reject, timer });
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      }),
    close: () => {
      drop(gone('was left'));
      socket.terminate();
    },
  };
}

interface Answer {
  id: number;
  result: unknown;
  error?: { code: number; message: string; data: unknown };
}

function readAnswer(data: Buffer): Answer | null {
  try {
    const parsed = JSON.parse(data.toString('utf8')) as { id?: unknown; result?: unknown; error?: unknown } | null;
    if (typeof parsed?.id !== 'number') return null;
    const error = parsed.error as { code?: unknown; message?: unknown; data?: unknown } | undefined;
    if (error === undefined || error === null) return { id: parsed.id, result: parsed.result };
    const message = String(error.message).slice(0, 500);
    return { id: parsed.id, result: null, error: { code: Number(error.code), message, data: error.data } };
  } catch {
    return null;
  }
}
