/** A second Docker Engine for tests that stop or break one: own socket, own folder, own network namespace. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { findProgram, runCommand } from './command.ts';
import { leftoverShims, startDaemon, stopDaemon, uplinkMtu, type DaemonOptions } from './daemon.ts';
import { callEngine, pingEngine } from './engine-api.ts';
import { EngineFailure } from './failure.ts';

const COMMAND_TIMEOUT_MS = 15_000;
const COPY_TIMEOUT_MS = 120_000;

/** `address` is where the host reaches ports that its pods publish: the namespace has no loopback of ours. */
export type PrivateEngine = {
  socket: string;
  address: string;
  /** Its network namespace, as a file. */
  namespacePath: string;
  /** Ends the daemon as a crash (SIGKILL) or in order (SIGTERM); containers keep running either way. */
  halt(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it again after halt. */
  resume(): Promise<void>;
  /** Removes everything: containers, daemon, namespace, folder. */
  remove(): Promise<void>;
};

/**
 * Starts an engine that shares nothing with that of the host: two in one network namespace would fight over docker0
 * and the packet filter. Needs root. `dir` must be on a real filesystem and must not exist, or be left over from an
 * earlier call, which is cleaned first.
 */
export async function startPrivateEngine(dir: string): Promise<PrivateEngine> {
  if (process.getuid?.() !== 0) {
    throw new EngineFailure('NOT_ROOT', 'A private engine needs root.', 'Run the test as root.');
  }
  const hash = createHash('sha256').update(dir).digest();
  const name = `celium-${hash.toString('hex').slice(0, 8)}`;
  // 10.111.0.0/16 in links of four addresses: one host side, one namespace side.
  const link = ((hash[0] ?? 0) << 8) | ((hash[1] ?? 0) & 0xfc);
  const network = (offset: number): string => `10.111.${link >> 8}.${(link & 0xfc) + offset}`;
  const options: DaemonOptions = {
    // Unix socket paths end at 107 bytes, and dockerd's own containerd socket lies deeper still.
    socket: `/run/${name}.sock`,
    dir,
    namespacePath: `/run/netns/${name}`,
    addressPool: '172.24.0.0/14',
  };
  const remove = async (): Promise<void> => {
    await removeContainers(options.socket);
    await stopDaemon(options);
    for (const pid of leftoverShims(dir)) killQuietly(pid);
    await sleep(100);
    await removeNamespace(name, network(0));
    await unmountUnder(dir);
    rmSync(dir, { recursive: true, force: true });
    rmSync(options.socket, { force: true });
  };
  await remove();
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  try {
    await makeNamespace(name, network);
    await startDaemon(options, () => undefined);
  } catch (fault) {
    await remove();
    throw fault;
  }
  return {
    socket: options.socket,
    address: network(2),
    namespacePath: `/run/netns/${name}`,
    halt: async (signal = 'SIGTERM') => void (await stopDaemon(options, signal)),
    resume: async () => {
      if (!(await pingEngine(options.socket))) await startDaemon(options, () => undefined);
    },
    remove,
  };
}

/** Copies an image with all its layers from one engine to another, through the stream of the Engine API. */
export async function copyImage(fromSocket: string, toSocket: string, tag: string): Promise<void> {
  const image = await new Docker({ socketPath: fromSocket, timeout: COPY_TIMEOUT_MS }).getImage(tag).get();
  const answer = await new Docker({ socketPath: toSocket, timeout: COPY_TIMEOUT_MS }).loadImage(image);
  let text = '';
  for await (const chunk of answer) text = `${text}${String(chunk)}`.slice(-4096);
  const error = /"error":\s*"([^"]*)"/.exec(text)?.[1];
  if (error !== undefined) throw new Error(`the engine did not take ${tag}: ${error}`);
}

async function makeNamespace(name: string, network: (offset: number) => string): Promise<void> {
  const outside = `${name.slice(0, 13)}h`;
  const mtu = String(uplinkMtu());
  await ip('netns', 'add', name);
  await ip('link', 'add', outside, 'mtu', mtu, 'type', 'veth', 'peer', 'name', 'eth0', 'mtu', mtu, 'netns', name);
  await ip('addr', 'add', `${network(1)}/30`, 'dev', outside);
  await ip('link', 'set', outside, 'up');
  await ip('-n', name, 'addr', 'add', `${network(2)}/30`, 'dev', 'eth0');
  await ip('-n', name, 'link', 'set', 'lo', 'up');
  await ip('-n', name, 'link', 'set', 'eth0', 'up');
  await ip('-n', name, 'route', 'add', 'default', 'via', network(1));
  for (const rule of hostRules(`${network(0)}/30`)) await iptables(['-I', ...rule], true);
}

async function removeNamespace(name: string, base: string): Promise<void> {
  if (!existsSync(`/run/netns/${name}`)) return;
  for (const rule of hostRules(`${base}/30`)) await iptables(['-D', ...rule], false);
  await runCommand([findProgram('ip') ?? 'ip', 'link', 'del', `${name.slice(0, 13)}h`], {
    timeoutMs: COMMAND_TIMEOUT_MS,
  });
  await runCommand([findProgram('ip') ?? 'ip', 'netns', 'del', name], { timeoutMs: COMMAND_TIMEOUT_MS });
}

/** What lets the namespace out: one translation, and passage through the FORWARD chain that Docker closes. */
function hostRules(range: string): string[][] {
  return [
    ['POSTROUTING', '-t', 'nat', '-s', range, '!', '-d', range, '-j', 'MASQUERADE'],
    ['FORWARD', '-s', range, '-j', 'ACCEPT'],
    ['FORWARD', '-d', range, '-j', 'ACCEPT'],
  ];
}

async function ip(...args: string[]): Promise<void> {
  const result = await runCommand([findProgram('ip') ?? 'ip', ...args], { timeoutMs: COMMAND_TIMEOUT_MS });
  if (result.status !== 0) throw new Error(`ip ${args.join(' ')}: ${result.output.trim()}`);
}

async function iptables(args: string[], strict: boolean): Promise<void> {
  const result = await runCommand([findProgram('iptables') ?? 'iptables', '-w', '5', ...args], {
    timeoutMs: COMMAND_TIMEOUT_MS,
  });
  if (strict && result.status !== 0) throw new Error(`iptables ${args.join(' ')}: ${result.output.trim()}`);
}

async function removeContainers(socket: string): Promise<void> {
  if (!(await pingEngine(socket))) return;
  const answer = await callEngine(socket, 'GET', '/containers/json?all=true', { timeoutMs: 10_000 });
  for (const { Id } of JSON.parse(answer.body) as { Id: string }[]) {
    await callEngine(socket, 'DELETE', `/containers/${Id}?force=true&v=true`, { timeoutMs: 30_000 });
  }
}

/** A daemon that was killed leaves mounts behind, which would keep its folder from being removed. */
async function unmountUnder(dir: string): Promise<void> {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(join(dir, '/')));
  for (const path of mounts.toReversed()) {
    await runCommand([findProgram('umount') ?? 'umount', '-l', path], { timeoutMs: COMMAND_TIMEOUT_MS });
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in between.
  }
}
