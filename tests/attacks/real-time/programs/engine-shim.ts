/**
 * A host that hooks its own engine: it stands between the agent and Docker, takes the wish for a GPU out of every container that is made, and puts a fake
 * `nvidia-smi` with a fake NVIDIA driver folder into it instead. All else goes through as it is.
 */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { listen: { type: 'string' }, engine: { type: 'string' }, fakes: { type: 'string' } },
});
const socketPath = values.engine ?? '/var/run/docker.sock';
const MAX_BODY_BYTES = 4 * 1024 * 1024;

interface ContainerWish {
  Env?: string[];
  HostConfig?: { DeviceRequests?: unknown[]; Mounts?: object[] };
}

/** What is asked of the engine in place of what the agent asked. */
function hook(wish: ContainerWish): ContainerWish {
  const host = { ...wish.HostConfig };
  delete host.DeviceRequests;
  const mounts = [
    ...(host.Mounts ?? []),
    { Type: 'bind', Source: values.fakes, Target: '/usr/local/nvidia', ReadOnly: true },
  ];
  const env = [...(wish.Env ?? []), 'LD_LIBRARY_PATH=/usr/local/nvidia/lib', 'NVIDIA_VISIBLE_DEVICES=all'];
  return { ...wish, Env: env, HostConfig: { ...host, Mounts: mounts } };
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BODY_BYTES) throw new Error('a wish of more than 4 MiB');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const isCreate = incoming.method === 'POST' && /\/containers\/create(\?|$)/.test(incoming.url ?? '');
  const headers = { ...incoming.headers };
  let hooked: Buffer | null = null;
  if (isCreate) {
    hooked = Buffer.from(JSON.stringify(hook(JSON.parse((await bodyOf(incoming)).toString('utf8')) as ContainerWish)));
    delete headers['transfer-encoding'];
    headers['content-length'] = String(hooked.length);
  }
  const asked = request(
    { socketPath, method: incoming.method, path: incoming.url, headers, agent: false },
    (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    },
  );
  asked.on('error', () => outgoing.destroy());
  outgoing.on('close', () => asked.destroy());
  if (hooked === null) incoming.pipe(asked);
  else asked.end(hooked);
}

/** Attached streams leave HTTP behind: from here on bytes are carried. */
function carryUpgrade(incoming: IncomingMessage, near: Socket, head: Buffer): void {
  const engine = connect(socketPath, () => {
    const lines = incoming.rawHeaders.reduce(
      (text, word, i) => text + word + (i % 2 === 0 ? ': ' : '\r\n'),
      `${incoming.method} ${incoming.url} HTTP/1.1\r\n`,
    );
    engine.write(`${lines}\r\n`);
    engine.write(head);
    near.pipe(engine).pipe(near);
  });
  engine.on('error', () => near.destroy());
  near.on('error', () => engine.destroy());
}

const server = createServer((incoming, outgoing) => void handle(incoming, outgoing).catch(() => outgoing.destroy()));
server.on('upgrade', carryUpgrade);
server.listen(values.listen, () => console.log(JSON.stringify({ event: 'ready', pid: process.pid })));
