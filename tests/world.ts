/**
 * A whole market on one machine for tests and benchmarks: devchain, market, agent and validator as processes of their own, in a
 * state folder that is thrown away. Every program can be killed, restarted and given a crash point.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  connectDevchain,
  keyFromUri,
  RAO_PER_TAO,
  serializeSecretKeyfile,
  signDocument,
  type KeyPair,
} from '@celium/chain';
import { manifestMachine, type ManifestMachine } from '@celium/contract';
import { createClient, type Client } from '@celium/sdk';
import { startProgram, type Program } from './process.ts';

const run = promisify(execFile);

/** The repository's root. */
export const ROOT = join(import.meta.dirname, '..');

const NETUID = 51;
/** Price of the one offer: 0.36 dollars an hour is 100 micro-dollars a second, so bills are easy to read. */
export const PRICE_MICRO_USD_PER_HOUR = 360_000n;

export type ProgramName = 'devchain' | 'market' | 'agent' | 'validator';

export interface WorldOptions {
  /** Engine to use; `/var/run/docker.sock` by default. */
  dockerSocket?: string;
  /** Address at which the engine publishes pod ports; loopback by default. */
  publicHost?: string;
  /** State folders of programs that are not to lie in the world's own. */
  stateDirs?: Partial<Record<ProgramName, string>>;
  /** A foreign tools folder for the agent. */
  toolsDir?: string;
  /** More arguments for a program. */
  args?: Partial<Record<ProgramName, string[]>>;
}

/** The running market and the handles to every part of it. */
export class World {
  readonly stateDir: string;
  readonly dockerSocket: string;
  readonly ports: Record<ProgramName, number>;
  /** First port of the pods' range. */
  readonly podPort: number;
  readonly hotkey: KeyPair;
  readonly coldkey: KeyPair;
  readonly validatorHotkey: KeyPair;
  readonly machineId = 'test-machine';
  readonly #options: WorldOptions;
  readonly #programs = new Map<ProgramName, Program>();
  machineKey = '';
  marketKey = '';

  private constructor(stateDir: string, ports: Record<ProgramName, number>, podPort: number, options: WorldOptions) {
    this.stateDir = stateDir;
    this.ports = ports;
    this.podPort = podPort;
    this.dockerSocket = options.dockerSocket ?? '/var/run/docker.sock';
    this.#options = options;
    const run = stateDir.slice(-6);
    this.hotkey = keyFromUri(`//provider-${run}`);
    this.coldkey = keyFromUri(`//owner-${run}`);
    this.validatorHotkey = keyFromUri(`//validator-${run}`);
  }

  /** Starts devchain, market and agent; the machine is listed but not yet verified. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const stateDir = await mkdtemp(join(tmpdir(), 'celium-world-'));
    const [devchain, market, agent, validator] = (await freePorts(4)) as [number, number, number, number];
    const world = new World(stateDir, { devchain, market, agent, validator }, await freePortRange(40), options);
    try {
      await world.startProgram('devchain');
      await world.#registerKeys();
      const ready = await world.startProgram('market');
      world.marketKey = String(ready.ready['publicKey']);
      await world.#makeManifest();
      await world.startProgram('agent');
      await world.#serveAxon();
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  get chainUrl(): string {
    return `http://127.0.0.1:${this.ports.devchain}`;
  }

  get marketUrl(): string {
    return `http://127.0.0.1:${this.ports.market}`;
  }

  program(name: ProgramName): Program {
    const program = this.#programs.get(name);
    if (program === undefined) throw new Error(`${name} was never started`);
    return program;
  }

  /** Starts (or starts again) one program, if wanted with a crash point or other variables. */
  async startProgram(name: ProgramName, env: Record<string, string> = {}, args: string[] = []): Promise<Program> {
    const program = await startProgram({
      entry: ENTRIES[name],
      args: [...this.#arguments(name), ...(this.#options.args?.[name] ?? []), ...args],
      env,
      cwd: ROOT,
    });
    this.#programs.set(name, program);
    return program;
  }

  /** How a program of this world is started, with another state folder. */
  commandOf(name: ProgramName, state: string): { entry: string; args: string[] } {
    const args = this.#arguments(name).map((arg) => (arg === this.stateOf(name) ? state : arg));
    return { entry: ENTRIES[name], args };
  }

  /** A client of the market: anonymous, or with a key. */
  client(apiKey?: string): Client {
    return createClient({ baseUrl: this.marketUrl, ...(apiKey === undefined ? {} : { apiKey }) });
  }

  async operator(): Promise<Client> {
    const file = String(this.program('market').ready['operatorKeyFile']);
    return this.client((await readFile(file, 'utf8')).trim());
  }

  /** A new renter with credit and an SSH key; the private key's file is `keyFile`. */
  async newRenter(creditMicroUsd = 1_000_000n): Promise<{ client: Client; email: string; keyFile: string }> {
    const email = `renter-${crypto.randomUUID().slice(0, 8)}@example.org`;
    const session = await this.client().call('signUp', { body: { email, password: 'a long enough password' } });
    const client = this.client(session.apiKey);
    if (creditMicroUsd > 0n) {
      const operator = await this.operator();
      await operator.call('grantCredit', { body: { email, amountMicroUsd: creditMicroUsd.toString(), note: 'test' } });
    }
    const keyFile = join(this.stateDir, `key-${email}`);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', keyFile]);
    const publicKey = (await readFile(`${keyFile}.pub`, 'utf8')).trim();
    await client.call('addSshKey', { body: { name: 'test', publicKey } });
    return { client, email, keyFile };
  }

  /** Runs the validator until it has checked the machine once; the market then lists it as verified. */
  async verify(): Promise<void> {
    const validator = await this.startProgram('validator');
    try {
      await until('the machine to be verified', 120_000, async () => {
        const { offers } = await this.client().call('listOffers', { query: { rentable: 'false' } });
        return offers.some((offer) => offer.machineKey === this.machineKey && offer.verdict === 'pass');
      });
    } catch (error) {
      throw new Error(`the machine was not verified; the validator said:\n${validator.tail()}`, { cause: error });
    }
    await validator.end();
  }

  /** Labelled containers of this world's agent that exist now, running or not. */
  async containers(): Promise<string[]> {
    const filter = `label=org.celium.agent=${this.machineKey}`;
    const { stdout } = await run(
      'docker',
      ['-H', `unix://${this.dockerSocket}`, 'ps', '-aq', '--no-trunc', '--filter', filter],
      {
        timeout: 30_000,
      },
    );
    return stdout.split('\n').filter((id) => id !== '');
  }

  /** Ends every program by its pid, removes what is left of the agent's containers, and the state folder. */
  async close(): Promise<void> {
    for (const name of ['validator', 'agent', 'market', 'devchain'] as const) {
      const program = this.#programs.get(name);
      if (program?.isRunning() === true) await program.end();
    }
    if (this.machineKey !== '') {
      for (const id of await this.containers().catch(() => [])) {
        await run('docker', ['-H', `unix://${this.dockerSocket}`, 'rm', '-f', id], { timeout: 30_000 }).catch(() => {});
      }
    }
    // Where the database's account cannot enter the state folder, the data lies elsewhere, and a file says where.
    const elsewhere = await readFile(join(this.stateOf('market'), 'postgres-elsewhere'), 'utf8').catch(() => '');
    if (elsewhere.trim().includes('/postgres-')) await rm(elsewhere.trim(), { recursive: true, force: true });
    await rm(this.stateDir, { recursive: true, force: true });
  }

  /** Arguments of a program's last and next start. */
  #arguments(name: ProgramName): string[] {
    const common = ['--state', this.stateOf(name), '--json'];
    const port = ['--port', String(this.ports[name])];
    switch (name) {
      case 'devchain':
        return [
          ...common,
          ...port,
          '--block-ms',
          '250',
          '--tempo',
          '10',
          '--weights-rate',
          '10',
          '--serving-rate',
          '1',
          '--netuid',
          String(NETUID),
        ];
      case 'market':
        return [...common, ...port, '--chain', this.chainUrl, '--netuid', String(NETUID), '--allow-private'];
      case 'agent':
        return [
          ...common,
          ...port,
          '--docker',
          this.dockerSocket,
          '--manifest',
          join(this.stateOf('agent'), 'manifest.json'),
          '--public-host',
          this.publicHost,
          '--port-range',
          `${this.podPort}-${this.podPort + 39}`,
          '--chain',
          this.chainUrl,
          '--allow-private',
          ...(this.#options.toolsDir === undefined ? [] : ['--tools', this.#options.toolsDir]),
        ];
      case 'validator':
        return [
          ...common,
          ...port,
          '--hotkey-file',
          join(this.stateDir, 'validator-hotkey'),
          '--chain',
          this.chainUrl,
          '--market',
          this.marketUrl,
          '--allow-private',
          '--retry-ms',
          '2000',
        ];
    }
  }

  stateOf(name: ProgramName): string {
    return this.#options.stateDirs?.[name] ?? join(this.stateDir, name);
  }

  get publicHost(): string {
    return this.#options.publicHost ?? '127.0.0.1';
  }

  async #registerKeys(): Promise<void> {
    const chain = connectDevchain(this.chainUrl);
    try {
      const validatorColdkey = keyFromUri('//validator-owner');
      for (const owner of [this.coldkey, validatorColdkey]) await chain.faucet(owner.ss58, 10_000n * RAO_PER_TAO);
      const most = 1_000n * RAO_PER_TAO;
      mustBe(await chain.register(this.coldkey, this.hotkey.ss58, most));
      mustBe(await chain.register(validatorColdkey, this.validatorHotkey.ss58, most));
      mustBe(await chain.addStake(validatorColdkey, this.validatorHotkey.ss58, 5_000n * RAO_PER_TAO));
      await writeFile(join(this.stateDir, 'validator-hotkey'), serializeSecretKeyfile(this.validatorHotkey), {
        mode: 0o600,
      });
    } finally {
      await chain.close();
    }
  }

  async #serveAxon(): Promise<void> {
    const chain = connectDevchain(this.chainUrl);
    try {
      mustBe(await chain.serveAxon(this.hotkey, { ip: '127.0.0.1', port: this.ports.agent, protocol: 4 }));
    } finally {
      await chain.close();
    }
  }

  async #makeManifest(): Promise<void> {
    const state = this.stateOf('agent');
    await mkdir(state, { recursive: true, mode: 0o700 });
    const init = [ENTRIES.agent, 'init', '--state', state, '--machine-id', this.machineId];
    const { stdout } = await run(process.execPath, [...init, '--hotkey', this.hotkey.ss58, '--json'], {
      cwd: ROOT,
      timeout: 120_000,
    });
    const facts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>;
    this.machineKey = String(facts['machineKey']);
    const machine: ManifestMachine = manifestMachine.parse({
      machineId: this.machineId,
      machineKey: this.machineKey,
      consent: facts['consent'],
      agentUrl: `https://127.0.0.1:${this.ports.agent}`,
      tlsKeyHash: facts['tlsKeyHash'],
      publicHost: this.publicHost,
      portRange: { from: this.podPort, to: this.podPort + 39 },
      units: facts['units'],
      offer: { priceMicroUsdPerUnitHour: PRICE_MICRO_USD_PER_HOUR.toString(), committedUntilMs: 0 },
      declaredWorkPerSecond: facts['declaredWorkPerSecond'],
      host: facts['host'],
      markets: [{ url: this.marketUrl, key: this.marketKey }],
      payoutColdkey: this.coldkey.ss58,
    });
    const manifest = await signDocument(
      'manifest',
      { hotkey: this.hotkey.ss58, netuid: NETUID, serial: 1, issuedAtMs: Date.now(), machines: [machine] },
      this.hotkey,
    );
    await writeFile(join(state, 'manifest.json'), JSON.stringify(manifest));
  }
}

const ENTRIES: Record<ProgramName, string> = {
  devchain: 'packages/chain/src/devchain/main.ts',
  market: 'apps/control-plane/src/main.ts',
  agent: 'apps/agent/src/main.ts',
  validator: 'apps/validator/src/main.ts',
};

function mustBe(outcome: { ok: boolean; error?: string }): void {
  if (!outcome.ok) throw new Error(`the devchain refused: ${outcome.error}`);
}

/** Waits until `isTrue`, looking every 100 ms; throws after `timeoutMs`, saying what was waited for. */
export async function until(what: string, timeoutMs: number, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  while (performance.now() < deadline) {
    try {
      if (await isTrue()) return;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause: lastError });
}

/** Free loopback ports, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Rows of ports that are tried, each 50 wide from 20000 on. Test files that run beside each other each have rows of their own. */
const PORT_ROWS = 200;
const LANES = 4;

/** The first of `count` ports in a row below the ephemeral range, none of which anybody listens on. */
export async function freePortRange(count: number): Promise<number> {
  const lane = Number(process.env['VITEST_POOL_ID'] ?? 0) % LANES;
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const row = Math.floor((Math.random() * PORT_ROWS) / LANES) * LANES + lane;
    const from = 20_000 + row * 50;
    const taken = await Promise.all(Array.from({ length: count }, (_, offset) => isTaken(from + offset)));
    if (!taken.includes(true)) return from;
  }
  throw new Error('no free range of ports between 20000 and 30000');
}

async function isTaken(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(true));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)));
  });
}
