/**
 * Where attacks are played in real time: a devchain, a validator's hotkey, and machines that are real agents with real pods on this host's engine.
 * A check is a run of the real validator program over all machines of the ground, and its outcome is read from what the validator signed.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  defaultGenesis,
  Devchain,
  DevchainClient,
  DevchainStore,
  keyFromUri,
  type KeyPair,
  RAO_PER_TAO,
  serializeSecretKeyfile,
  serveDevchain,
} from '@celium/chain';
import { parseProgressLine } from '@celium/contract';
import { ROOT } from '../../world.ts';
import { Machine, type MachineOptions } from './machine.ts';
import { readOutcomes, type CheckOutcome } from './outcome.ts';
import { ToolsShop } from './tools.ts';

const run = promisify(execFile);
const VALIDATOR = 'apps/validator/src/main.ts';
const CHECK_LIMIT_MS = 400_000;
const MAX_VALIDATOR_OUTPUT_BYTES = 16 * 1024 * 1024;

/** How a check is made. */
export interface CheckOptions {
  /** A validator that already knows the machines, by the name of its state folder; a new one by default, so every check is an onboarding. */
  memory?: string;
  /** Machines that are challenged at the same time. */
  parallel?: number;
  /** More arguments for the validator. */
  args?: readonly string[];
}

/** A ground and what stands on it. */
export class Ground {
  readonly folder: string;
  readonly tools: ToolsShop;
  readonly #chain: Devchain;
  readonly #served: { url: string; close(): Promise<void> };
  readonly #machines: Machine[] = [];
  #checks = 0;

  private constructor(folder: string, chain: Devchain, served: { url: string; close(): Promise<void> }) {
    this.folder = folder;
    this.tools = new ToolsShop(folder);
    this.#chain = chain;
    this.#served = served;
  }

  /** An empty ground; close it when done. */
  static async open(): Promise<Ground> {
    const folder = await mkdtemp(join(tmpdir(), 'celium-attack-'));
    const genesis = defaultGenesis({ tempo: 10, weightsRateLimitBlocks: 1, servingRateLimitBlocks: 1 });
    const chain = new Devchain({ store: new DevchainStore(':memory:'), genesis, now: Date.now });
    const ground = new Ground(folder, chain, await serveDevchain(chain, 0));
    await ground.#addValidator('validator');
    return ground;
  }

  /** Starts one more machine and makes it known on chain. */
  async addMachine(options: MachineOptions): Promise<Machine> {
    const machine = await Machine.start(this.folder, this.#served.url, this.tools, options);
    this.#machines.push(machine);
    const client = new DevchainClient(this.#chain);
    await client.register(keyFromUri('//Alice'), machine.hotkey.ss58, 10n * RAO_PER_TAO);
    this.#chain.advance(2);
    await client.serveAxon(machine.hotkey, { ip: '127.0.0.1', port: machine.port, protocol: 4 });
    this.#chain.advance(2);
    return machine;
  }

  /** Checks every machine of this ground once; the outcomes in the order in which the machines were added. */
  async check(options: CheckOptions = {}): Promise<CheckOutcome[]> {
    this.#checks += 1;
    const state = join(this.folder, `validator-${options.memory ?? this.#checks}`);
    const own = ['--state', state, '--port', '0', '--hotkey-file', this.hotkeyFile, '--chain', this.#served.url];
    const how = ['--allow-private', '--once', '--json', '--parallel', String(options.parallel ?? 1)];
    const argv = [VALIDATOR, ...own, ...how, ...(options.args ?? [])];
    const { stdout } = await run(process.execPath, argv, {
      cwd: ROOT,
      timeout: CHECK_LIMIT_MS,
      maxBuffer: MAX_VALIDATOR_OUTPUT_BYTES,
    });
    const events = stdout.split('\n').flatMap((line) => parseProgressLine(line) ?? []);
    const outcomes = readOutcomes(
      state,
      events,
      this.#machines.map((machine) => machine.machineKey),
    );
    await Promise.all(this.#machines.map((machine) => machine.untilEmpty()));
    if (options.memory === undefined) await rm(state, { recursive: true, force: true });
    return outcomes;
  }

  /** Ends every program by its pid and removes everything that the ground made. */
  async close(): Promise<void> {
    for (const machine of this.#machines) await machine.close();
    await this.#served.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The validator's own key, for whoever runs its code without its program. */
  get validator(): KeyPair {
    return this.#keyOf('validator');
  }

  /** The newest block that is final. */
  async finalizedBlock(): Promise<{ number: number; hash: string }> {
    return (await new DevchainClient(this.#chain).heads()).finalized;
  }

  get hotkeyFile(): string {
    return join(this.folder, 'hotkey-validator');
  }

  #keyOf(name: string): KeyPair {
    return keyFromUri(`//${name}-${this.folder.slice(-6)}`);
  }

  async #addValidator(name: string): Promise<void> {
    const key = this.#keyOf(name);
    const owner = keyFromUri('//Alice');
    const client = new DevchainClient(this.#chain);
    await client.register(owner, key.ss58, 10n * RAO_PER_TAO);
    await client.addStake(owner, key.ss58, 10n * RAO_PER_TAO);
    this.#chain.advance(20);
    await writeFile(join(this.folder, `hotkey-${name}`), serializeSecretKeyfile(key), { mode: 0o600 });
  }
}
