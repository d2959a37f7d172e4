/** One machine of the attack suite: a real agent with a provider's hotkey of its own, whose owner may lie in the manifest and swap its tools. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { keyFromUri, signDocument, type KeyPair } from '@celium/chain';
import { listedConsent, type ManifestMachine } from '@celium/contract';
import type { Coordinates } from '@celium/domain';
import { ROOT, freePortRange, freePorts, until } from '../../world.ts';
import { startProgram, type Program } from '../../process.ts';
import { createNetwork } from '../../../apps/validator/src/network/json-over-http.ts';
import { pointTools, type ToolsShop } from './tools.ts';

const run = promisify(execFile);
const AGENT = 'apps/agent/src/main.ts';
const SOCKET = process.env['CELIUM_DOCKER_SOCK'] ?? '/var/run/docker.sock';
/** Ports that a machine publishes its pods on. */
export const POD_PORTS = 20;
const NETUID = 51;
/** What an honest prover declares when nobody looks at time: the least that the proof knows. */
export const LEAST_RATE = 100;

/** What the owner of a machine decides. */
export interface MachineOptions {
  name: string;
  /** The rate in the manifest, work units per second. */
  declaredWorkPerSecond: number;
  /** The address in the manifest; where it is not 127.0.0.1, somebody else has to answer there. */
  publicHost?: string;
  /** Units in the manifest, when they are not the ones that the host has. */
  units?: string[];
  /** Where the manifest says that the machine stands. */
  coordinates?: Coordinates;
  /** The engine as the agent reaches it. */
  dockerSocket?: string;
}

/** A running machine. */
export class Machine {
  readonly hotkey: KeyPair;
  readonly port: number;
  readonly podPort: number;
  readonly stateDir: string;
  readonly #options: MachineOptions;
  readonly #toolsLink: string;
  #facts: Record<string, unknown> = {};
  #serial = 0;
  #listed: ManifestMachine | null = null;
  #rate: number;
  #agent: Program | null = null;

  private constructor(folder: string, port: number, podPort: number, options: MachineOptions) {
    this.hotkey = keyFromUri(`//${options.name}-${folder.slice(-6)}`);
    this.port = port;
    this.podPort = podPort;
    this.stateDir = join(folder, options.name);
    this.#toolsLink = join(folder, `tools-of-${options.name}`);
    this.#options = options;
    this.#rate = options.declaredWorkPerSecond;
  }

  /** Makes the machine's keys and manifest and starts its agent, with honest tools at first. */
  static async start(folder: string, chainUrl: string, tools: ToolsShop, options: MachineOptions): Promise<Machine> {
    const [port] = (await freePorts(1)) as [number];
    const machine = new Machine(folder, port, await freePortRange(POD_PORTS), options);
    // The measurement takes seconds and its result is not used: what a machine declares is its owner's word.
    const stated = await tools.statingRate(options.declaredWorkPerSecond);
    const init = [
      AGENT,
      'init',
      '--state',
      machine.stateDir,
      '--machine-id',
      options.name,
      '--hotkey',
      machine.hotkey.ss58,
      '--tools',
      stated,
      '--json',
    ];
    const { stdout } = await run(process.execPath, init, { cwd: ROOT, timeout: 120_000 });
    machine.#facts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>;
    await pointTools(machine.#toolsLink, await tools.folder());
    await machine.declare(options.declaredWorkPerSecond);
    const where = ['--state', machine.stateDir, '--docker', options.dockerSocket ?? SOCKET, '--port', String(port)];
    const how = ['--chain', chainUrl, '--tools', machine.#toolsLink, '--allow-private', '--no-engine-setup', '--json'];
    machine.#agent = await startProgram({
      entry: AGENT,
      args: [...where, ...how],
      cwd: ROOT,
      env: { CELIUM_LOG: 'error' },
    });
    return machine;
  }

  get machineKey(): string {
    return String(this.#facts['machineKey']);
  }

  /** The machine as a validator knows it from the manifest. */
  get known(): { hotkey: string; hotkeyHex: string; machine: ManifestMachine } {
    if (this.#listed === null) throw new Error('nothing was declared yet');
    const { ss58, publicKey } = this.hotkey;
    return { hotkey: ss58, hotkeyHex: Buffer.from(publicKey).toString('hex'), machine: this.#listed };
  }

  /** Puts another tools folder in place of the one that pods get; pods that run keep theirs. */
  async useTools(folder: string): Promise<void> {
    await pointTools(this.#toolsLink, folder);
  }

  /** Signs the next manifest, with this rate of work, and waits until the agent serves it. */
  async declare(declaredWorkPerSecond: number): Promise<void> {
    if (this.#serial > 0 && declaredWorkPerSecond === this.#rate) return;
    this.#rate = declaredWorkPerSecond;
    this.#serial += 1;
    const machine: ManifestMachine = {
      machineId: this.#options.name,
      machineKey: this.machineKey,
      consent: listedConsent.parse(this.#facts['consent']),
      agentUrl: `https://127.0.0.1:${this.port}`,
      tlsKeyHash: String(this.#facts['tlsKeyHash']),
      publicHost: this.#options.publicHost ?? '127.0.0.1',
      portRange: { from: this.podPort, to: this.podPort + POD_PORTS - 1 },
      units: this.#options.units ?? (this.#facts['units'] as string[]),
      offer: { priceMicroUsdPerUnitHour: '360000', committedUntilMs: 0 },
      declaredWorkPerSecond,
      host: {
        ...(this.#facts['host'] as ManifestMachine['host']),
        ...(this.#options.coordinates === undefined ? {} : { coordinates: { ...this.#options.coordinates } }),
      },
      markets: [],
      payoutColdkey: this.hotkey.ss58,
    };
    this.#listed = machine;
    const body = {
      hotkey: this.hotkey.ss58,
      netuid: NETUID,
      serial: this.#serial,
      issuedAtMs: Date.now(),
      machines: [machine],
    };
    const manifest = await signDocument('manifest', body, this.hotkey);
    await writeFile(join(this.stateDir, 'manifest.json'), JSON.stringify(manifest));
    if (this.#agent === null) return;
    process.kill(this.#agent.pid, 'SIGHUP');
    await until('the agent to take its new manifest over', 30_000, async () => await this.#serves(this.#serial));
  }

  /** Waits until no pod of this machine is left. */
  async untilEmpty(): Promise<void> {
    await until('the last pod to be removed', 60_000, async () => (await this.#containers()).length === 0);
  }

  async close(): Promise<void> {
    await this.#agent?.end();
    for (const id of await this.#containers().catch(() => []))
      await run('docker', ['-H', `unix://${SOCKET}`, 'rm', '-f', id], { timeout: 30_000 }).catch(() => {});
  }

  async #containers(): Promise<string[]> {
    const filter = `label=org.celium.agent=${this.machineKey}`;
    const { stdout } = await run('docker', ['-H', `unix://${SOCKET}`, 'ps', '-aq', '--filter', filter], {
      timeout: 30_000,
    });
    return stdout.split('\n').filter((id) => id !== '');
  }

  /** The agent keeps the serial of the manifest that it goes by beside its leases; the file alone would not tell. */
  async #serves(serial: number): Promise<boolean> {
    const url = `https://127.0.0.1:${this.port}/v1/manifest`;
    const asked = { method: 'GET', url, timeoutMs: 5_000, maxBytes: 1_048_576 } as const;
    const { json } = await createNetwork({ allowPrivate: true }).request(asked);
    return (json as { body: { serial: number } }).body.serial === serial;
  }
}
