/** Listens on the pod's published ports and answers whoever knows the session's secret; everybody else hears nothing. */
import { createHash } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import {
  parseResponderRequest,
  PAYLOAD_PIECE_BYTES,
  payloadSource,
  RESPONDER_REQUEST_BYTES,
  responderAnswer,
  type ResponderRequest,
} from '@celium/proof';

/** How an honest pod answers; a dishonest one of tests stands in for parts of it. */
interface Manners {
  payload: typeof payloadSource;
  beforeEcho: (send: () => void) => void;
}

const HONEST: Manners = { payload: payloadSource, beforeEcho: (send) => send() };

const MAX_CONNECTIONS = 32;
const IDLE_MS = 30_000;

/** Opens the ports; resolves with those that could be opened. `close` ends everything. */
export async function openResponder(
  secret: Uint8Array,
  ports: readonly number[],
  changes: Partial<Manners> = {},
): Promise<{ ports: number[]; close(): void }> {
  const manners = { ...HONEST, ...changes };
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const opened = await Promise.all(
    ports.map(async (port) => {
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        answer(socket, secret, port, manners);
      });
      server.maxConnections = MAX_CONNECTIONS;
      const listening = await new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false));
        server.listen(port, '0.0.0.0', () => resolve(true));
      });
      if (listening) servers.push(server);
      return listening;
    }),
  );
  return {
    ports: ports.filter((_, index) => opened[index]),
    close() {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Requests of one connection, one after another. */
function answer(socket: Socket, secret: Uint8Array, port: number, manners: Manners): void {
  let head = Buffer.alloc(0);
  let upload: { request: ResponderRequest; left: number; hash: ReturnType<typeof createHash> } | null = null;
  socket.setNoDelay(true);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());

  function begin(request: ResponderRequest): void {
    if (request.kind === 'echo')
      manners.beforeEcho(() => void (socket.writable && socket.write(responderAnswer(request, secret, port))));
    else if (request.kind === 'down') pour(socket, manners.payload(secret, request.nonce), request.bytes);
    else upload = { request, left: request.bytes, hash: createHash('sha256') };
  }

  function takeUpload(chunk: Buffer): Buffer {
    if (upload === null) return chunk;
    const part = chunk.subarray(0, upload.left);
    upload.hash.update(part);
    upload.left -= part.length;
    if (upload.left === 0) {
      socket.write(responderAnswer(upload.request, secret, port, upload.hash.digest()));
      upload = null;
    }
    return chunk.subarray(part.length);
  }

  socket.on('data', (chunk: Buffer) => {
    let rest = takeUpload(chunk);
    while (rest.length > 0) {
      const missing = RESPONDER_REQUEST_BYTES - head.length;
      head = Buffer.concat([head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (head.length < RESPONDER_REQUEST_BYTES) return;
      const request = parseResponderRequest(new Uint8Array(head), secret, port);
      head = Buffer.alloc(0);
      if (request === null) return void socket.destroy();
      begin(request);
      rest = takeUpload(rest);
    }
  });
}

/** Sends a payload no faster than the socket takes it. */
function pour(socket: Socket, source: ReturnType<typeof payloadSource>, bytes: number): void {
  let sent = 0;
  const next = (): void => {
    while (sent < bytes && !socket.destroyed) {
      const piece = source(sent / PAYLOAD_PIECE_BYTES).subarray(0, bytes - sent);
      sent += piece.length;
      if (!socket.write(piece)) return void socket.once('drain', next);
    }
  };
  next();
}
