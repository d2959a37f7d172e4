/**
 * Stands between validators and pods, on the address that the manifest names. With `--own-key` it is an SSH server with a key of its own that would let
 * anybody in. With `--stolen-key STATE` it shows the host key of the newest pod of that agent, which the host's owner can read, and answers with a
 * prover outside the pod. With neither it carries bytes to the pods' host and understands none.
 */
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import ssh2 from 'ssh2';

const { values } = parseArgs({
  options: {
    host: { type: 'string' },
    pods: { type: 'string' },
    'first-port': { type: 'string' },
    ports: { type: 'string' },
    'own-key': { type: 'boolean', default: false },
    'stolen-key': { type: 'string' },
    prover: { type: 'string', default: '' },
  },
});
const stolenFrom = values['stolen-key'];

/** The host key that a visitor is shown. */
function hostKey(): string {
  if (stolenFrom === undefined)
    return generateKeyPairSync('rsa', { modulusLength: 2_048 })
      .privateKey.export({ type: 'pkcs1', format: 'pem' })
      .toString();
  const leases = join(stolenFrom, 'leases');
  const newest = readdirSync(leases)
    .map((lease) => join(leases, lease, 'run', 'ssh_host_ed25519_key'))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  return readFileSync(newest ?? '', 'utf8');
}

/** Lets anybody in and starts a prover for whoever asks for a shell; the first line, which would start one in a pod, is swallowed. */
function pretend(socket: Socket): void {
  const server = new ssh2.Server({ hostKeys: [hostKey()] }, (client) => {
    client.on('authentication', (ask) => ask.accept());
    client.on('error', () => {});
    client.on('session', (accept) => {
      const session = accept();
      session.on('pty', (acceptPty) => acceptPty());
      session.on('shell', (acceptShell) => {
        const channel = acceptShell();
        const prover = spawn(process.execPath, [values.prover], { stdio: ['pipe', 'pipe', 'ignore'] });
        channel.once('data', () => channel.pipe(prover.stdin));
        prover.stdout.pipe(channel);
        prover.stdin.on('error', () => {});
        channel.on('close', () => prover.kill('SIGTERM'));
      });
    });
  });
  server.injectSocket(socket);
}

function carry(near: Socket, port: number): void {
  const pod = connect({ host: values.pods ?? '127.0.0.1', port, noDelay: true });
  near.pipe(pod).pipe(near);
  pod.on('error', () => near.destroy());
  near.on('close', () => pod.destroy());
}

const isImpostor = values['own-key'] || stolenFrom !== undefined;
const first = Number(values['first-port']);
let waiting = Number(values.ports);
for (let port = first; port < first + Number(values.ports); port += 1) {
  createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    if (isImpostor) pretend(socket);
    else carry(socket, port);
  }).listen(port, values.host, () => {
    waiting -= 1;
    if (waiting === 0) console.log(JSON.stringify({ event: 'ready', pid: process.pid }));
  });
}
