/** The agent's command line. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CeliumError } from '@celium/contract';

export const USAGE = `usage: main.ts --state DIR [--manifest FILE] [options]      serve this machine
       main.ts init --state DIR [--machine-id ID] [--hotkey SS58] [--json]
                        makes its keys, prints the facts for its manifest

  --state DIR            keys, leases and log; one agent per folder
  --manifest FILE        the signed manifest (default: DIR/manifest.json); read again when it changes, and on SIGHUP
  --docker SOCKET        the engine's socket (default: DOCKER_HOST, then /var/run/docker.sock)
  --host ADDRESS         where the HTTPS API listens (default: 127.0.0.1)
  --port PORT            its port (default: 7750)
  --chain URL            the chain that is asked for validator permits; without it no validator is served
  --tools DIR            folder mounted at /.celium in every pod, for example with a prover of your own
  --public-host HOST     must be the manifest's publicHost when given
  --port-range FROM-TO   must be the manifest's port range when given
  --allow-private        accept addresses that only mean something inside one network
  --open-egress          let pods reach the networks of this host, where they cannot be kept from them
  --no-engine-setup      never install or start an engine: use the one that answers
  --hotkey SS58          init: whose machine it is; the facts then hold the machine key's consent
  --json                 one JSON object per line on stdout
`;

/** Settings of a run. */
export interface RunOptions {
  stateDir: string;
  manifestPath: string;
  socket: string | undefined;
  host: string;
  port: number;
  chainUrl: string | undefined;
  toolsDir: string | undefined;
  publicHost: string | undefined;
  portRange: { from: number; to: number } | undefined;
  allowPrivate: boolean;
  /** No packet filter around pods. */
  openEgress: boolean;
  engineSetup: boolean;
  json: boolean;
}

/** Settings of `init`. */
export interface InitOptions {
  stateDir: string;
  machineId: string | undefined;
  /** Whose machine it is to be; without one no consent is signed. */
  hotkey: string | undefined;
  toolsDir: string | undefined;
  json: boolean;
}

export type Command = { name: 'help' } | { name: 'run'; options: RunOptions } | { name: 'init'; options: InitOptions };

/** Reads the command line. Throws `USAGE`. */
export function parseCommand(argv: readonly string[]): Command {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message : String(cause));
  }
  const { values, positionals } = parsed;
  if (values.help === true) return { name: 'help' };
  if (values.state === undefined) throw usage('--state DIR is missing');
  const stateDir = resolve(values.state);
  const toolsDir = values.tools === undefined ? undefined : resolve(values.tools);
  const json = values.json === true;
  if (positionals[0] === 'init' && positionals.length === 1) {
    return {
      name: 'init',
      options: { stateDir, machineId: values['machine-id'], hotkey: values.hotkey, toolsDir, json },
    };
  }
  if (positionals.length > 0) throw usage(`"${positionals[0]}" is not understood`);
  return {
    name: 'run',
    options: {
      stateDir,
      manifestPath: values.manifest === undefined ? resolve(stateDir, 'manifest.json') : resolve(values.manifest),
      socket: values.docker,
      host: values.host ?? '127.0.0.1',
      port: portOf(values.port ?? '7750', '--port', 0),
      chainUrl: values.chain,
      toolsDir,
      publicHost: values['public-host'],
      portRange: values['port-range'] === undefined ? undefined : rangeOf(values['port-range']),
      allowPrivate: values['allow-private'] === true,
      openEgress: values['open-egress'] === true,
      engineSetup: values['no-engine-setup'] !== true,
      json,
    },
  };
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      state: { type: 'string' },
      manifest: { type: 'string' },
      docker: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      chain: { type: 'string' },
      tools: { type: 'string' },
      'public-host': { type: 'string' },
      'port-range': { type: 'string' },
      'machine-id': { type: 'string' },
      hotkey: { type: 'string' },
      'allow-private': { type: 'boolean' },
      'open-egress': { type: 'boolean' },
      'no-engine-setup': { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
}

function rangeOf(text: string): { from: number; to: number } {
  const match = /^(\d+)-(\d+)$/.exec(text);
  if (match === null) throw usage(`--port-range ${text}: write it as 20000-20099`);
  const range = { from: portOf(match[1] ?? '', '--port-range', 1), to: portOf(match[2] ?? '', '--port-range', 1) };
  if (range.from > range.to) throw usage(`--port-range ${text} ends before it begins`);
  return range;
}

function portOf(text: string, flag: string, least: number): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < least || port > 65_535) throw usage(`${flag} ${text} is no port`);
  return port;
}

function usage(message: string): CeliumError {
  return new CeliumError('USAGE', message);
}
