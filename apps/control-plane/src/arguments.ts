/** The command line of a market, read strictly: an unknown or wrong argument is an error, not a default. */
import { parseArgs } from 'node:util';
import { CeliumError } from '@celium/contract';
import { RECEIPT_VALID_MS } from '@celium/domain';

export interface MarketArguments {
  stateDir: string;
  host: string;
  port: number;
  chainUrl: string;
  netuid: number;
  allowPrivate: boolean;
  embeddedPostgres: boolean;
  /** How old a unit's receipt may be at its hand-over, in milliseconds; null for what its class allows. */
  receiptAgeMs: number | null;
}

const DEFAULT_PORT = 7_740;
const DEFAULT_CHAIN = 'http://127.0.0.1:7744';
/** Celium's home on Bittensor. */
const DEFAULT_NETUID = 51;

/** Reads the arguments after the program's name. Throws USAGE. */
export function readArguments(args: readonly string[]): MarketArguments {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (fault) {
    throw new CeliumError('USAGE', fault instanceof Error ? fault.message : String(fault));
  }
  if (values.state === undefined || values.state === '')
    throw new CeliumError('USAGE', 'a market needs a state folder: --state DIR');
  return {
    stateDir: values.state,
    host: values.host ?? '127.0.0.1',
    port: readInteger('--port', values.port, DEFAULT_PORT, 0, 65_535),
    chainUrl: values.chain ?? DEFAULT_CHAIN,
    netuid: readInteger('--netuid', values.netuid, DEFAULT_NETUID, 0, 65_535),
    allowPrivate: values['allow-private'] ?? false,
    embeddedPostgres: values['embedded-postgres'] ?? false,
    receiptAgeMs:
      values['receipt-age-ms'] === undefined
        ? null
        : readInteger('--receipt-age-ms', values['receipt-age-ms'], 0, 0, RECEIPT_VALID_MS),
  };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    strict: true,
    options: {
      state: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      chain: { type: 'string' },
      netuid: { type: 'string' },
      'allow-private': { type: 'boolean' },
      'embedded-postgres': { type: 'boolean' },
      'receipt-age-ms': { type: 'string' },
      // Progress is always one JSON object a line; the flag is there so that all programs take the same ones.
      json: { type: 'boolean' },
    },
  }).values;
}

function readInteger(name: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new CeliumError('USAGE', `${name}: a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
  }
  return value;
}
