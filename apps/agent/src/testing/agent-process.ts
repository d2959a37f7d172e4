/** A real agent process on this machine's engine, for tests: its own state folder, manifest, ports and SSH key. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { keyFromUri, signConsent, signDocument, toHex, type KeyPair } from '@celium/chain';
import { parseProgressLine, type ManifestMachine, type ProgressEvent, type Signed } from '@celium/contract';
import { callEngine } from '../engine/engine-api.ts';
import { openMachineKey } from '../identity/machine-key.ts';
import { openTlsIdentity } from '../identity/tls-key.ts';
import { LABELS } from '../pods/plain-profile.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const READY_TIMEOUT_MS = 120_000;

export const SOCKET = process.env.CELIUM_DOCKER_SOCK ?? '/var/run/docker.sock';

/** One machine under test. Its state stays between starts of the agent, until `destroy`. */
export class TestMachine {
  readonly dir: string;
  readonly socket: string;
  readonly hotkey: KeyPair = keyFromUri('//Provider');
  readonly machineKey: string;
  readonly log: string[] = [];
  machine!: ManifestMachine;
  #manifest!: Signed<'manifest'>;
  #child: ChildProcess | null = null;
  #serial = 0;
  #port = 0;

  /** `socket` is the engine's; `parent` the folder that its state folder is made in. */
  constructor(options: { socket?: string; parent?: string } = {}) {
    this.socket = options.socket ?? SOCKET;
    this.dir = mkdtempSync(join(options.parent ?? tmpdir(), 'celium-agent-'));
    this.machineKey = toHex(openMachineKey(this.dir).publicKey);
  }

  /** Signs and writes a manifest with these markets (url and key), and the next serial. */
  async writeManifest(markets: ManifestMachine['markets'], change: Partial<ManifestMachine> = {}): Promise<void> {
    this.#port ||= await freePort();
    const agreed = { hotkey: this.hotkey.ss58, machineId: 'under-test', issuedAtMs: Date.now() };
    const from = this.machine?.portRange.from ?? 21_000 + Math.floor(Math.random() * 300) * 30;
    this.machine = {
      machineId: 'under-test',
      machineKey: this.machineKey,
      consent: await signConsent(openMachineKey(this.dir), agreed),
      agentUrl: `https://127.0.0.1:${this.#port}`,
      tlsKeyHash: openTlsIdentity(this.dir, Date.now()).keyHash,
      publicHost: '127.0.0.1',
      portRange: { from, to: from + 29 },
      units: ['cpu:under-test'],
      offer: { priceMicroUsdPerUnitHour: '100000', committedUntilMs: 0 },
      host: { cpuCores: 1, memoryBytes: 1_073_741_824, diskBytes: 0 },
      markets,
      payoutColdkey: this.hotkey.ss58,
      ...change,
    };
    this.#serial += 1;
    const body = {
      hotkey: this.hotkey.ss58,
      netuid: 51,
      serial: this.#serial,
      issuedAtMs: Date.now(),
      machines: [this.machine],
    };
    this.#manifest = await signDocument('manifest', body, this.hotkey);
    writeFileSync(join(this.dir, 'manifest.json'), JSON.stringify(this.#manifest));
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** Starts the agent and waits until it serves. Throws with its own error when it does not. */
  async start(options: { crashAt?: string; args?: string[]; uid?: number } = {}): Promise<ProgressEvent> {
    const { uid } = options;
    const child = spawn(
      uid === undefined ? process.execPath : this.#giveTo(uid),
      [
        MAIN,
        '--state',
        this.dir,
        '--docker',
        this.socket,
        '--port',
        String(this.#port),
        '--allow-private',
        '--no-engine-setup',
        '--json',
        ...(options.args ?? []),
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        ...(uid === undefined ? {} : { uid, gid: statSync(this.socket).gid }),
        env: { ...process.env, ...(options.crashAt === undefined ? {} : { CELIUM_CRASH_AT: options.crashAt }) },
      },
    );
    this.#child = child;
    createInterface({ input: child.stderr }).on('line', (line) => this.log.push(line));
    return await new Promise<ProgressEvent>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the agent is not ready after 120 s')), READY_TIMEOUT_MS);
      createInterface({ input: child.stdout }).on('line', (line) => {
        const event = parseProgressLine(line);
        if (event?.event === 'ready') resolve(event);
        if (event?.event === 'error') reject(new Error(`${event.code}: ${event.message}`));
        if (event?.event === 'ready' || event?.event === 'error') clearTimeout(timer);
      });
      child.once('exit', (status, signal) => {
        clearTimeout(timer);
        reject(new Error(`the agent ended: ${status ?? signal}\n${this.log.slice(-10).join('\n')}`));
      });
    });
  }

  /** Gives the state folder to another user, and that user a Node that it may run; its path. */
  #giveTo(uid: number): string {
    const node = join(this.dir, 'node');
    // A new file: the one of an earlier start may still run.
    rmSync(node, { force: true });
    copyFileSync(process.execPath, node);
    for (const name of ['.', ...readdirSync(this.dir)]) chownSync(join(this.dir, name), uid, uid);
    chmodSync(node, 0o755);
    return node;
  }

  /** Networks that this agent has made and that still exist. */
  async networks(): Promise<string[]> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`${LABELS.agent}=${this.machineKey}`] }));
    const answer = await callEngine(this.socket, 'GET', `/networks?filters=${filters}`, { timeoutMs: 10_000 });
    return (JSON.parse(answer.body) as Array<{ Name: string }>).map(({ Name }) => Name);
  }

  /** Waits until the agent has ended by itself; the signal that ended it. */
  async ended(): Promise<NodeJS.Signals | null> {
    const child = this.#child;
    if (child === null) return null;
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => child.once('exit', resolve));
    }
    return child.signalCode;
  }

  /** Ends the agent; pods stay. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await this.ended();
  }

  /** Ids and states of this machine's containers. */
  async containers(): Promise<Array<{ Id: string; State: string }>> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`${LABELS.agent}=${this.machineKey}`] }));
    const answer = await callEngine(this.socket, 'GET', `/containers/json?all=1&filters=${filters}`, {
      timeoutMs: 10_000,
    });
    return JSON.parse(answer.body) as Array<{ Id: string; State: string }>;
  }

  /** Makes and starts a container of its own beside the agent's; its id. Labelled as this machine's, so that it is cleaned up. */
  async startContainer(body: Record<string, unknown>): Promise<string> {
    const made = await callEngine(this.socket, 'POST', '/containers/create', { timeoutMs: 20_000, body });
    const { Id } = JSON.parse(made.body) as { Id: string };
    const started = await callEngine(this.socket, 'POST', `/containers/${Id}/start`, { timeoutMs: 20_000 });
    if (started.status !== 204) throw new Error(started.body);
    return Id;
  }

  /** Kills or removes a container behind the agent's back. */
  async meddle(id: string, how: 'kill' | 'remove'): Promise<void> {
    if (how === 'kill') await callEngine(this.socket, 'POST', `/containers/${id}/kill`, { timeoutMs: 20_000 });
    else await callEngine(this.socket, 'DELETE', `/containers/${id}?force=1&v=1`, { timeoutMs: 20_000 });
  }

  /** Names of this machine's networks or volumes. */
  async namesOf(what: 'networks' | 'volumes'): Promise<string[]> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`${LABELS.agent}=${this.machineKey}`] }));
    const answer = await callEngine(this.socket, 'GET', `/${what}?filters=${filters}`, { timeoutMs: 10_000 });
    const body = JSON.parse(answer.body) as Array<{ Name: string }> | { Volumes: Array<{ Name: string }> | null };
    return (Array.isArray(body) ? body : (body.Volumes ?? [])).map(({ Name }) => Name);
  }

  /** An SSH key pair below the machine's folder; its public line. */
  async sshKey(name = 'id'): Promise<string> {
    const path = join(this.dir, name);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path]);
    return readFileSync(`${path}.pub`, 'utf8').trim();
  }

  /** Runs a command in a pod through OpenSSH, against the grant's host key and no other. */
  async ssh(grant: Signed<'grant'>, command: string, name = 'id'): Promise<string> {
    const port = String(grant.body.ports.find((one) => one.pod === 22)?.host);
    const known = join(this.dir, `known-${grant.body.leaseId}`);
    writeFileSync(known, `[${this.machine.publicHost}]:${port} ${grant.body.hostKey}\n`);
    const settings = ['BatchMode=yes', 'IdentitiesOnly=yes', 'StrictHostKeyChecking=yes', 'ConnectTimeout=5'];
    settings.push(`UserKnownHostsFile=${known}`, 'GlobalKnownHostsFile=none');
    const options = ['-F', 'none', '-i', join(this.dir, name), '-p', port, ...settings.flatMap((one) => ['-o', one])];
    const { stdout } = await run('ssh', [...options, `root@${this.machine.publicHost}`, command], { timeout: 20_000 });
    return stdout;
  }

  /** Ends the agent and removes everything of the machine, containers and networks included. */
  async destroy(): Promise<void> {
    await this.stop('SIGKILL');
    for (const { Id } of await this.containers()) {
      await callEngine(this.socket, 'DELETE', `/containers/${Id}?force=1&v=1`, { timeoutMs: 20_000 });
    }
    for (const name of await this.namesOf('networks')) {
      await callEngine(this.socket, 'DELETE', `/networks/${name}`, { timeoutMs: 20_000 });
    }
    for (const name of await this.namesOf('volumes')) {
      await callEngine(this.socket, 'DELETE', `/volumes/${name}`, { timeoutMs: 20_000 });
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  return await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0));
    });
  });
}
