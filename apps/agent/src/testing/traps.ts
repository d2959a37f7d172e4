/** Traps for what a pod must not reach: addresses in a network namespace of their own behind that of an engine, with listeners that note who came. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { findProgram } from '../engine/command.ts';

const run = promisify(execFile);
const NSENTER = findProgram('nsenter') ?? '/usr/bin/nsenter';

/** Listens on all addresses of its namespace and prints `address port` for every connection. */
const LISTENER = `
const { createServer } = require('node:net');
let waiting = process.argv.length - 1;
for (const port of process.argv.slice(1)) {
  createServer((socket) => {
    socket.on('error', () => {});
    console.log(socket.localAddress.replace('::ffff:', '') + ' ' + socket.localPort);
    socket.end();
  }).listen(Number(port), '0.0.0.0', () => { waiting -= 1; if (waiting === 0) console.log('ready'); });
}`;

/** Where somebody came through. */
export interface Visit {
  address: string;
  port: number;
}

/** Listeners in one namespace. */
class Listeners {
  readonly visits: Visit[] = [];
  readonly #process: ChildProcess;
  readonly ready: Promise<void>;

  constructor(namespacePath: string, ports: readonly number[]) {
    const argv = [`--net=${namespacePath}`, process.execPath, '-e', LISTENER, ...ports.map(String)];
    this.#process = spawn(NSENTER, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      if (line === 'ready') return resolve();
      const [address = '', port = ''] = line.split(' ');
      this.visits.push({ address, port: Number(port) });
    });
  }

  async end(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}

export interface TrapOptions {
  /** Namespace of the engine whose pods are watched. */
  engineNamespace: string;
  /** Addresses that stand for networks beyond the host. */
  addresses: readonly string[];
  ports: readonly number[];
  /** Ports of the host itself. */
  hostPorts: readonly number[];
}

/** Traps that are set. */
export interface Traps {
  /** Everybody who came through since the last call. */
  take(): Visit[];
  remove(): Promise<void>;
}

/** Sets the traps. Needs root. All of it lies in namespaces that are gone afterwards; no address outside is ever tried. */
export async function setTraps({ engineNamespace, addresses, ports, hostPorts }: TrapOptions): Promise<Traps> {
  const name = `celium-trap-${process.pid}`;
  const inEngine = async (...args: string[]): Promise<unknown> =>
    run(NSENTER, [`--net=${engineNamespace}`, 'ip', ...args]);
  await run('ip', ['netns', 'add', name]);
  const path = `/run/netns/${name}`;
  const inTrap = async (...args: string[]): Promise<unknown> => run('ip', ['-n', name, ...args]);
  await inEngine('link', 'add', 'trap0', 'type', 'veth', 'peer', 'name', 'trap1');
  await inEngine('link', 'set', 'trap1', 'netns', path);
  await inEngine('addr', 'add', '198.18.7.1/30', 'dev', 'trap0');
  await inEngine('link', 'set', 'trap0', 'up');
  for (const args of [
    ['addr', 'add', '198.18.7.2/30', 'dev', 'trap1'],
    ['link', 'set', 'trap1', 'up'],
    ['link', 'set', 'lo', 'up'],
  ])
    await inTrap(...args);
  await inTrap('route', 'add', 'default', 'via', '198.18.7.1');
  for (const address of addresses) {
    await inTrap('addr', 'add', `${address}/32`, 'dev', 'lo');
    await inEngine('route', 'add', `${address}/32`, 'via', '198.18.7.2');
  }
  const beyond = new Listeners(path, ports);
  const host = new Listeners(engineNamespace, hostPorts);
  await Promise.all([beyond.ready, host.ready]);
  return {
    take: () => [...beyond.visits.splice(0), ...host.visits.splice(0)],
    async remove() {
      await Promise.all([beyond.end(), host.end()]);
      await inEngine('link', 'del', 'trap0');
      await run('ip', ['netns', 'del', name]);
    },
  };
}
