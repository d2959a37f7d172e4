/** The devchain process: `node packages/chain/src/devchain/main.ts --port 7744 --state DIR --block-ms 12000 [--json]`. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CeliumError, ERRORS, crashAt, errorBody } from '@celium/contract';
import { toHex } from '../keys/bytes.ts';
import { RAO_PER_TAO } from '../subnet-chain.ts';
import { Devchain } from './devchain.ts';
import { defaultGenesis, type DevchainGenesis } from './genesis.ts';
import { serveDevchain } from './server.ts';
import { DevchainStore } from './store.ts';

const HELP = `A local Bittensor-like subnet for development, on 127.0.0.1 only.

  --port N           port (default 7744; 0 takes any free one)
  --state DIR        where the chain is kept (default $XDG_STATE_HOME/celium/devchain)
  --block-ms N       time between blocks (default 12000)
  --json             nothing but JSON lines on stdout

For a new chain only (an old one keeps what it began with):
  --seed TEXT        makes hashes repeatable (default random)
  --netuid N         number of the subnet (default 51)
  --tempo N          blocks between epochs (default 360)
  --weights-rate N   blocks between two weight rows of one hotkey (default 100)
  --serving-rate N   blocks between two axons of one hotkey (default 50)
  --finality-lag N   blocks that the finalised one is behind (default 2)
  --emission         an alpha per block is issued and paid at epochs (default: none)
  --commit-reveal N  weights are committed, and revealed N epochs later (default: set plainly)
`;

function makeStateFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new CeliumError('DISK_FULL', `the disk is full: ${folder} could not be made`, { cause });
    }
    throw new CeliumError('USAGE', `--state: ${folder} cannot be made (${code})`, { cause });
  }
}

interface Settings {
  readonly port: number;
  readonly stateFolder: string;
  readonly blockMs: number;
  readonly json: boolean;
  readonly genesis: Partial<DevchainGenesis>;
}

function readSettings(argv: readonly string[]): Settings | 'help' {
  const text = { type: 'string' } as const;
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        port: text,
        state: text,
        'block-ms': text,
        seed: text,
        netuid: text,
        tempo: text,
        'weights-rate': text,
        'serving-rate': text,
        'finality-lag': text,
        'commit-reveal': text,
        emission: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (cause) {
    throw new CeliumError('USAGE', (cause as Error).message, { cause });
  }
  if (values['help']) return 'help';
  const number = (name: string, least: number, most: number): number | undefined => {
    const value = values[name];
    if (value === undefined) return undefined;
    const parsed = /^\d{1,9}$/.test(String(value)) ? Number(value) : -1;
    if (parsed >= least && parsed <= most) return parsed;
    throw new CeliumError('USAGE', `--${name} must be a whole number from ${least} to ${most}`);
  };
  const given: Record<string, bigint | number | string | boolean | undefined> = {
    seed: values['seed'] as string | undefined,
    netuid: number('netuid', 1, 65_535),
    tempo: number('tempo', 1, 50_400),
    weightsRateLimitBlocks: number('weights-rate', 1, 100_000),
    servingRateLimitBlocks: number('serving-rate', 1, 100_000),
    finalityLagBlocks: number('finality-lag', 0, 1_000),
    revealPeriodEpochs: number('commit-reveal', 1, 100),
    commitReveal: values['commit-reveal'] === undefined ? undefined : true,
    alphaPerBlock: values['emission'] === true ? RAO_PER_TAO : undefined,
  };
  const home = process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state');
  return {
    port: number('port', 0, 65_535) ?? 7744,
    stateFolder: String(values['state'] ?? join(home, 'celium', 'devchain')),
    blockMs: number('block-ms', 10, 600_000) ?? 12_000,
    json: values['json'] === true,
    genesis: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
}

function openDevchain(settings: Settings): Devchain {
  makeStateFolder(settings.stateFolder);
  const seed = toHex(randomBytes(16));
  const chain = new Devchain({
    store: new DevchainStore(join(settings.stateFolder, 'devchain.sqlite')),
    genesis: defaultGenesis({
      seed,
      timeMs: Date.now(),
      drandPeriodMs: Math.max(1, Math.floor(settings.blockMs / 4)),
      ...settings.genesis,
    }),
    now: () => Date.now(),
    sealing: 'on-demand',
    sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }),
    crash: crashAt(process.env['CELIUM_CRASH_AT'], () => process.kill(process.pid, 'SIGKILL')),
  });
  for (const [name, value] of Object.entries(settings.genesis)) {
    if (chain.genesis[name as keyof DevchainGenesis] === value) continue;
    throw new CeliumError(
      'CONFLICT',
      `the chain in ${settings.stateFolder} began with another ${name}: leave the option out, or give another --state`,
    );
  }
  return chain;
}

async function run(settings: Settings): Promise<void> {
  const note = (line: string): void => {
    if (!settings.json) process.stderr.write(`${line}\n`);
  };
  const chain = openDevchain(settings);
  const server = await serveDevchain(chain, settings.port).catch(async (error: unknown) => {
    await chain.close();
    throw error;
  });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const { genesisHash } = await chain.identity();
  print({ event: 'ready', url: server.url, pid: process.pid, genesisHash, blockMs: settings.blockMs });
  note(`devchain ${server.url}, a block each ${settings.blockMs} ms, state in ${settings.stateFolder}`);
  let failed = false;
  for (let nextMs = Date.now() + settings.blockMs; !stop.signal.aborted;) {
    await sleep(Math.max(1, nextMs - Date.now()), undefined, { signal: stop.signal }).catch(() => undefined);
    if (stop.signal.aborted) break;
    nextMs = Math.max(nextMs + settings.blockMs, Date.now());
    try {
      chain.seal();
      failed = false;
    } catch (error) {
      // A full disk may be freed again: sealing goes on, and the error is told once.
      if (!failed) print({ event: 'error', ...errorBody(error).error });
      failed = true;
    }
  }
  await chain.close();
  await server.close();
  note('devchain stopped');
}

function print(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

try {
  const settings = readSettings(process.argv.slice(2));
  if (settings === 'help') process.stdout.write(HELP);
  else await run(settings);
} catch (error) {
  const body = errorBody(error);
  print({ event: 'error', ...body.error });
  const unexpected = error instanceof CeliumError ? '' : `\n${String(error)}`;
  process.stderr.write(`${body.error.code}: ${body.error.message}\n${body.error.remedy}${unexpected}\n`);
  process.exitCode = ERRORS[body.error.code].exit;
}
