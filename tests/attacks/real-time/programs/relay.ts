/** Carries what a pod's prover is asked to a machine elsewhere and its answers back; where the kernel shapes no links, it holds every byte `--delay-ms` each way. */
import { connect, createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    socket: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
    'delay-ms': { type: 'string' },
  },
});
const delayMs = Number(values['delay-ms'] ?? 0);

/** Bytes come out in the order in which they went in: each timer is as long as the last, and Node fires equal ones in turn. */
function carry(from: Socket, to: Socket): void {
  const later = (act: () => void): void => {
    if (delayMs === 0) act();
    else setTimeout(act, delayMs);
  };
  from.on('data', (chunk: Buffer) => later(() => void (to.writable && to.write(chunk))));
  from.on('close', () => later(() => to.destroy()));
  from.on('error', () => {});
}

createServer({ noDelay: true }, (near) => {
  const far = connect({ host: values.host ?? '127.0.0.1', port: Number(values.port), noDelay: true });
  carry(near, far);
  carry(far, near);
}).listen(values.socket, () => console.log(JSON.stringify({ event: 'ready', pid: process.pid })));
