/** The command line of `celium validator run`. */

import { availableParallelism, homedir } from 'node:os';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CeliumError } from '@celium/contract';
import { DISK_PASSES, PROVER_IN_POD } from '@celium/proof';
import { DECOYS_PER_MACHINE_DAY, MAX_RETRY_MS, type Coordinates, type Intervals } from '@celium/domain';
import type { DecoySettings } from './decoys/decoys.ts';
import type { StorageSizes } from './machine-check/storage.ts';
import { readTemplate, type Template } from './machine-check/template.ts';
import { parseLink, type Link } from './network/link.ts';

export const HELP = `Verifies machines: leases them, challenges them over SSH, signs receipts, sets weights.

  --hotkey-file FILE  the validator's hotkey, a file as btcli writes it (required)
  --chain URL         the chain (default $CELIUM_CHAIN_WS, else http://127.0.0.1:7744, a devchain)
  --market URL        a market to read machines from and to publish to; may be given several times
  --state DIR         leases, receipts, transcripts, log (default $XDG_STATE_HOME/celium/validator)
  --host ADDRESS      where the public API listens (default 127.0.0.1)
  --port N            its port (default 7760; 0 takes any free one)
  --axon-ip ADDRESS   the address of the API as the chain is told it (default: that of --host)
  --allow-private     go to machines at private and loopback addresses
  --all               check every machine, not only those that the epoch's block assigns to this validator
  --recheck-ms N      middle of the routine interval, which is drawn from two to four thirds of it (default 5400000: 60 to 120 minutes)
  --retry-ms N        time to the repetition of a failed check (default 300000; at most 10 minutes)
  --parallel N        machines checked at the same time (default 16)
  --audit-threads N   threads that audit; one core is always left to the clock (default: one less than there are cores)
  --link SPEC         a worse path to the pods: delay=MS,loss=0..1,rate=BYTES_PER_SECOND
  --prover PATH       the prover inside a pod (default /.celium/prover)
  --decoy-mail DOMAIN buy decoys at the markets, by accounts with addresses in this domain (default: no decoys)
  --decoy-rate N      decoys a day for each machine that can be rented, on the average (default 0.2)
  --decoy-budget USD  the most that the decoys of a day may cost (default 5)
  --decoy-address IP  an address of this host that decoys log in from, better not the one of the API; may be given several times
  --machine-checks    with --once: also look at disk, ports, network and place of every machine, and deploy a template on each
  --machine-recheck-ms N  from one look at what surrounds a machine's units to the next (default 43200000, 12 hours)
  --disk-bytes N      bytes written to a pod's disk in such a check, at most (default 1073741824)
  --disk-passes N     passes over each disk block: what making one again costs (default 1024)
  --disk-ms N         time for writing them (default 30000)
  --payload-bytes N   bytes of a transfer, each way (default 4194304)
  --template FILE     index of an official template that may be deployed (tools/template-index.ts makes it); may be given several times
  --coordinates A,B   latitude and longitude of this validator in degrees, for bounds on distances
  --once              check every machine once, then end
  --json              nothing but JSON lines on stdout
`;

/** What the command line says. */
export interface Settings {
  hotkeyFile: string;
  chainUrl: string;
  marketUrls: string[];
  stateFolder: string;
  host: string;
  port: number;
  axonIp: string | undefined;
  allowPrivate: boolean;
  /** Check every machine, assigned or not. */
  checksAll: boolean;
  intervals: Intervals;
  parallel: number;
  auditThreads: number;
  link: Link | undefined;
  proverCommand: string[];
  /** Null for none. */
  decoys: (DecoySettings & { sourceAddresses: string[] }) | null;
  /** With `once`: machine checks too. */
  machineChecks: boolean;
  machineRecheckMs: number;
  storageSizes: StorageSizes;
  payloadBytes: number;
  templates: Template[];
  coordinates: Coordinates | null;
  once: boolean;
  json: boolean;
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

type NumberName =
  | 'port'
  | 'recheck-ms'
  | 'retry-ms'
  | 'parallel'
  | 'audit-threads'
  | 'machine-recheck-ms'
  | 'disk-bytes'
  | 'disk-passes'
  | 'disk-ms'
  | 'payload-bytes';

/** Reads the command line. Throws `USAGE` with words about the one option that is wrong. */
export function readSettings(argv: readonly string[], env: Record<string, string | undefined>): Settings | 'help' {
  const values = parse(argv);
  if (values.help === true) return 'help';
  if (values['hotkey-file'] === undefined)
    throw new CeliumError('USAGE', '--hotkey-file is missing: give a hotkey file as btcli writes it.');
  const number = (name: NumberName, byDefault: number, least: number, most: number): number => {
    const given = values[name];
    if (given === undefined) return byDefault;
    const value = /^\d{1,13}$/.test(given) ? Number(given) : -1;
    if (value >= least && value <= most) return value;
    throw new CeliumError('USAGE', `--${name} ${given}: a whole number from ${least} to ${most}.`);
  };
  const stateHome = env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state');
  return {
    hotkeyFile: values['hotkey-file'],
    chainUrl: values.chain ?? (env['CELIUM_CHAIN_WS'] || 'http://127.0.0.1:7744'),
    marketUrls: (values.market ?? []).map(marketUrl),
    stateFolder: values.state ?? join(stateHome, 'celium', 'validator'),
    host: values.host ?? '127.0.0.1',
    port: number('port', 7760, 0, 65_535),
    axonIp: axonIp(values['axon-ip']),
    allowPrivate: values['allow-private'] === true,
    checksAll: values.all === true,
    intervals: {
      recheckMs: number('recheck-ms', 90 * 60_000, 1, 24 * 3_600_000),
      retryMs: number('retry-ms', 300_000, 1, MAX_RETRY_MS),
    },
    parallel: number('parallel', 16, 1, 256),
    auditThreads: auditThreads(number('audit-threads', 64, 1, 64), availableParallelism()),
    link: values.link === undefined ? undefined : parseLink(values.link),
    proverCommand: [proverPath(values.prover ?? PROVER_IN_POD)],
    decoys: decoysOf(values),
    machineChecks: values['machine-checks'] === true,
    machineRecheckMs: number('machine-recheck-ms', 12 * 3_600_000, 1, 7 * 24 * 3_600_000),
    storageSizes: {
      budgetBytes: number('disk-bytes', 2 ** 30, 1, 2 ** 42),
      passes: number('disk-passes', DISK_PASSES, 0, 65_536),
      writeLimitMs: number('disk-ms', 30_000, 1, 600_000),
    },
    payloadBytes: number('payload-bytes', 4 * 1024 * 1024, 1, 16 * 1024 * 1024),
    templates: (values.template ?? []).map(readTemplate),
    coordinates: values.coordinates === undefined ? null : readCoordinates(values.coordinates),
    once: values.once === true,
    json: values.json === true,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: false,
      options: {
        'hotkey-file': text,
        chain: text,
        market: { type: 'string', multiple: true },
        state: text,
        host: text,
        port: text,
        'axon-ip': text,
        'allow-private': flag,
        all: flag,
        'recheck-ms': text,
        'retry-ms': text,
        parallel: text,
        'audit-threads': text,
        link: text,
        prover: text,
        'decoy-mail': text,
        'decoy-rate': text,
        'decoy-budget': text,
        'decoy-address': { type: 'string', multiple: true },
        'machine-checks': flag,
        'machine-recheck-ms': text,
        'disk-bytes': text,
        'disk-passes': text,
        'disk-ms': text,
        'payload-bytes': text,
        template: { type: 'string', multiple: true },
        coordinates: text,
        once: flag,
        json: flag,
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new CeliumError('USAGE', (cause as Error).message, { cause });
  }
}

/** Timing needs a core of its own: while audits run on all others, the event loop that reads the clock still comes round. */
export function auditThreads(wanted: number, cores: number): number {
  return Math.max(1, Math.min(wanted, cores - 1));
}

function decoysOf(values: ReturnType<typeof parse>): Settings['decoys'] {
  const mailDomain = values['decoy-mail'];
  const rate = decimalOf('decoy-rate', values['decoy-rate'] ?? String(DECOYS_PER_MACHINE_DAY));
  const budget = decimalOf('decoy-budget', values['decoy-budget'] ?? '5');
  const sourceAddresses = values['decoy-address'] ?? [];
  for (const address of sourceAddresses)
    if (isIP(address) === 0) throw new CeliumError('USAGE', `--decoy-address ${address}: an IP address of this host.`);
  if (mailDomain === undefined) return null;
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(mailDomain))
    throw new CeliumError('USAGE', `--decoy-mail ${mailDomain}: a domain, for example mail.example.org.`);
  const budgetMicroUsdPerDay = BigInt(Math.round(budget * 1e6));
  return { ratePerMachineDay: rate, budgetMicroUsdPerDay, mailDomain, sourceAddresses };
}

function decimalOf(name: string, given: string): number {
  if (/^\d{1,6}(\.\d{1,6})?$/.test(given)) return Number(given);
  throw new CeliumError('USAGE', `--${name} ${given}: a number such as 0.2.`);
}

function readCoordinates(given: string): Coordinates {
  const [latitude, longitude, ...more] = given.split(',').map((part) => (part === '' ? Number.NaN : Number(part)));
  const good = latitude !== undefined && longitude !== undefined && more.length === 0;
  if (good && Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180) return { latitude, longitude };
  throw new CeliumError('USAGE', `--coordinates ${given}: latitude and longitude in degrees, for example 60.17,24.94.`);
}

function marketUrl(given: string): string {
  if (!/^https?:\/\//.test(given) || !URL.canParse(given))
    throw new CeliumError('USAGE', `--market ${given}: an http(s) address, for example http://127.0.0.1:7750.`);
  return given.replace(/\/+$/, '');
}

function axonIp(given: string | undefined): string | undefined {
  if (given === undefined || isIP(given) !== 0) return given;
  throw new CeliumError('USAGE', `--axon-ip ${given}: an IP address; the chain takes no names.`);
}

function proverPath(given: string): string {
  if (/^\/[A-Za-z0-9_./-]+$/.test(given)) return given;
  throw new CeliumError('USAGE', `--prover ${given}: an absolute path of plain characters.`);
}
