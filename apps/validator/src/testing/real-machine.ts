/** A machine with a real agent on this host's engine, a devchain, and a validator process, for tests that need pods. */

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  defaultGenesis,
  Devchain,
  DevchainClient,
  DevchainStore,
  keyFromUri,
  RAO_PER_TAO,
  serializeSecretKeyfile,
  serveDevchain,
  signDocument,
} from '@celium/chain';
import { listedConsent, parseProgressLine, type ManifestMachine, type ProgressEvent } from '@celium/contract';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import { createNetwork } from '../network/json-over-http.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const SOCKET = process.env['CELIUM_DOCKER_SOCK'] ?? '/var/run/docker.sock';
const START_LIMIT_MS = 180_000;
const CHECK_LIMIT_MS = 240_000;
/** The floor of the proof: no machine that runs these tests is late by its own slowness. */
const LEAST_RATE = 100;

export class RealMachine {
  readonly folder = mkdtempSync(join(tmpdir(), 'celium-real-'));
  readonly provider = keyFromUri(`//provider-${this.folder.slice(-6)}`);
  readonly validator = keyFromUri(`//validator-${this.folder.slice(-6)}`);
  #devchain!: Devchain;
  #chainUrl = '';
  #closeChain: () => Promise<void> = async () => {};
  #agent: ChildProcess | null = null;
  #facts: Record<string, unknown> = {};
  #declared: ManifestMachine | null = null;
  #port = 0;
  #podPort = 0;
  /** Held while the machine is there: other tests at the same time take other pod ports. */
  #slot: Server | null = null;
  #serial = 0;
  #runs = 0;

  /** Starts devchain and agent. */
  async start(): Promise<void> {
    await this.#startChain();
    this.#port = await freePort();
    this.#podPort = await this.#takePodPorts();
    mkdirSync(this.#state, { mode: 0o711 });
    const init = ['apps/agent/src/main.ts', 'init', '--state', this.#state, '--machine-id', 'real', '--json'];
    init.push('--hotkey', this.provider.ss58);
    const { stdout } = await run(process.execPath, init, { cwd: ROOT, timeout: START_LIMIT_MS });
    this.#facts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>;
    await this.declare(LEAST_RATE);
    await this.#startAgent([]);
    const chain = new DevchainClient(this.#devchain);
    await chain.serveAxon(this.provider, { ip: '127.0.0.1', port: this.#port, protocol: 4 });
  }

  /** Starts the agent anew with a tools folder of a stranger: the agent's own with the program `prover` in place of the honest one. */
  async useForeignProver(prover: string): Promise<void> {
    await this.#stopAgent();
    const [own = ''] = readdirSync(join(this.#state, 'tools'));
    const foreign = mkdtempSync(join(this.folder, 'tools-'));
    cpSync(join(this.#state, 'tools', own), foreign, { recursive: true });
    rmSync(join(foreign, 'prover.mjs'));
    copyFileSync(prover, join(foreign, 'prover.mjs'));
    chmodSync(foreign, 0o755);
    await this.#startAgent(['--tools', foreign]);
  }

  /** The machine as a validator knows it from the manifest. */
  get known(): KnownMachine {
    if (this.#declared === null) throw new Error('nothing was declared yet');
    const { ss58, publicKey } = this.provider;
    return { hotkey: ss58, hotkeyHex: Buffer.from(publicKey).toString('hex'), machine: this.#declared };
  }

  /** Signs the next manifest, with this rate of work; the agent reads it again by itself. */
  async declare(declaredWorkPerSecond: number): Promise<void> {
    this.#serial += 1;
    const machine: ManifestMachine = {
      machineId: 'real',
      machineKey: String(this.#facts['machineKey']),
      consent: listedConsent.parse(this.#facts['consent']),
      agentUrl: `https://127.0.0.1:${this.#port}`,
      tlsKeyHash: String(this.#facts['tlsKeyHash']),
      publicHost: '127.0.0.1',
      portRange: { from: this.#podPort, to: this.#podPort + 19 },
      units: this.#facts['units'] as string[],
      offer: { priceMicroUsdPerUnitHour: '360000', committedUntilMs: 0 },
      declaredWorkPerSecond,
      host: this.#facts['host'] as { cpuCores: number; memoryBytes: number; diskBytes: number },
      markets: [],
      payoutColdkey: this.provider.ss58,
    };
    this.#declared = machine;
    const body = {
      hotkey: this.provider.ss58,
      netuid: 51,
      serial: this.#serial,
      issuedAtMs: Date.now(),
      machines: [machine],
    };
    writeFileSync(
      join(this.#state, 'manifest.json'),
      JSON.stringify(await signDocument('manifest', body, this.provider)),
    );
    if (this.#agent === null) return;
    this.#agent.kill('SIGHUP');
    await this.#until(async () => (await this.#servedSerial()) === this.#serial, 'the agent to read its new manifest');
  }

  /** Runs a validator with a state folder of its own until it has checked the machine once; its events. */
  async checkOnce(args: string[] = []): Promise<ProgressEvent[]> {
    this.#runs += 1;
    const state = join(this.folder, `validator-${this.#runs}`);
    const own = [
      '--state',
      state,
      '--port',
      '0',
      '--hotkey-file',
      join(this.folder, 'hotkey'),
      '--chain',
      this.#chainUrl,
    ];
    const all = ['apps/validator/src/main.ts', ...own, '--allow-private', '--once', '--json', ...args];
    const { stdout } = await run(process.execPath, all, { cwd: ROOT, timeout: CHECK_LIMIT_MS });
    return stdout.split('\n').flatMap((line) => parseProgressLine(line) ?? []);
  }

  /** Ids of containers of this machine that exist. */
  async containers(): Promise<string[]> {
    const filter = `label=org.celium.agent=${String(this.#facts['machineKey'])}`;
    const { stdout } = await run('docker', ['-H', `unix://${SOCKET}`, 'ps', '-aq', '--filter', filter], {
      timeout: 30_000,
    });
    return stdout.split('\n').filter((id) => id !== '');
  }

  /** Starts a container of the pods' base image that takes logins with this key; where its SSH server is, and its host key. */
  async startPod(publicLine: string): Promise<{ id: string; port: number; hostKey: string }> {
    const docker = async (...args: string[]): Promise<string> =>
      (await run('docker', ['-H', `unix://${SOCKET}`, ...args], { timeout: 60_000 })).stdout.trim();
    const image = (await docker('images', '-q', 'celium/base')).split('\n')[0] ?? '';
    const label = `org.celium.agent=${String(this.#facts['machineKey'])}`;
    const id = await docker('run', '-d', '--label', label, '-p', '127.0.0.1::22', image);
    const tee = ['exec', '-i', id, 'tee', '/root/.ssh/authorized_keys'];
    const writing = run('docker', ['-H', `unix://${SOCKET}`, ...tee], { timeout: 30_000 });
    writing.child.stdin?.end(`${publicLine}\n`);
    await writing;
    const port = Number((await docker('port', id, '22')).split(':').at(-1));
    let hostKey = '';
    await this.#until(async () => {
      hostKey = await docker('exec', id, 'cat', '/etc/ssh/ssh_host_ed25519_key.pub').catch(() => '');
      return hostKey !== '' && (await this.logsOf(id)).includes('Server listening');
    }, 'the SSH server to listen');
    return { id, port, hostKey: hostKey.split(' ').slice(0, 2).join(' ') };
  }

  /** What a container said. */
  async logsOf(id: string): Promise<string> {
    const { stdout, stderr } = await run('docker', ['-H', `unix://${SOCKET}`, 'logs', id], { timeout: 30_000 });
    return stdout + stderr;
  }

  /** Waits for the last pod to be gone. */
  async untilEmpty(): Promise<void> {
    await this.#until(async () => (await this.containers()).length === 0, 'the last pod to be removed');
  }

  async close(): Promise<void> {
    await this.#stopAgent();
    for (const id of await this.containers().catch(() => []))
      await run('docker', ['-H', `unix://${SOCKET}`, 'rm', '-f', id], { timeout: 30_000 }).catch(() => {});
    await this.#closeChain();
    this.#slot?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Twenty ports that no other machine of these tests has: who holds the port of a slot's number has the slot. */
  async #takePodPorts(): Promise<number> {
    for (let tries = 0; tries < 50; tries += 1) {
      const slot = Math.floor(Math.random() * 250);
      const server = createServer();
      const taken = await new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false));
        server.listen(23_700 + slot, '127.0.0.1', () => resolve(true));
      });
      if (!taken) continue;
      this.#slot = server;
      return 24_000 + slot * 20;
    }
    throw new Error('no pod ports are free');
  }

  get #state(): string {
    return join(this.folder, 'agent');
  }

  async #startChain(): Promise<void> {
    const genesis = defaultGenesis({ tempo: 10, weightsRateLimitBlocks: 1, servingRateLimitBlocks: 1 });
    this.#devchain = new Devchain({ store: new DevchainStore(':memory:'), genesis, now: Date.now });
    const chain = new DevchainClient(this.#devchain);
    const owner = keyFromUri('//Alice');
    for (const hotkey of [this.provider.ss58, this.validator.ss58])
      await chain.register(owner, hotkey, 10n * RAO_PER_TAO);
    await chain.addStake(owner, this.validator.ss58, 10n * RAO_PER_TAO);
    this.#devchain.advance(20);
    writeFileSync(join(this.folder, 'hotkey'), serializeSecretKeyfile(this.validator), { mode: 0o600 });
    const served = await serveDevchain(this.#devchain, 0);
    this.#chainUrl = served.url;
    this.#closeChain = served.close;
  }

  async #startAgent(args: readonly string[]): Promise<void> {
    const own = ['--state', this.#state, '--docker', SOCKET, '--port', String(this.#port), '--chain', this.#chainUrl];
    const all = ['apps/agent/src/main.ts', ...own, '--allow-private', '--no-engine-setup', '--json', ...args];
    const child = spawn(process.execPath, all, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#agent = child;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the agent was not ready in time')), START_LIMIT_MS);
      child.once('exit', (status) => reject(new Error(`the agent ended with ${String(status)}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const event = parseProgressLine(line);
        if (event?.event === 'ready') resolve();
        if (event?.event === 'error') reject(new Error(`${event.code}: ${event.message}`));
        if (event?.event !== 'step') clearTimeout(timer);
      });
    });
  }

  async #stopAgent(): Promise<void> {
    const child = this.#agent;
    this.#agent = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  async #servedSerial(): Promise<number> {
    const url = `https://127.0.0.1:${this.#port}/v1/manifest`;
    const { json } = await createNetwork({ allowPrivate: true }).request({
      method: 'GET',
      url,
      timeoutMs: 5_000,
      maxBytes: 1e6,
    });
    return (json as { body: { serial: number } }).body.serial;
  }

  async #until(isTrue: () => Promise<boolean>, what: string): Promise<void> {
    const untilMs = performance.now() + 30_000;
    while (!(await isTrue())) {
      if (performance.now() > untilMs) throw new Error(`waited in vain for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
