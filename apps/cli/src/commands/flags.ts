/** Flags and parsers that many commands share, and the form of their help. */

import { parseUsd } from '../output/format.ts';

/** Rao in one TAO; chain has the same, but a command line need not load it. */
const RAO_PER_TAO = 1_000_000_000n;

export interface OutputFlags {
  json?: boolean | undefined;
}

export interface ClientFlags extends OutputFlags {
  market?: string | undefined;
}

export const jsonFlag = {
  kind: 'boolean',
  brief: 'Print JSON; the default when the output is piped',
  optional: true,
  withNegated: true,
} as const;

export const marketFlag = {
  kind: 'parsed',
  parse: String,
  placeholder: 'url',
  brief: 'Address of the market; else CELIUM_MARKET, else where you logged in last',
  optional: true,
} as const;

export const clientFlags = { json: jsonFlag, market: marketFlag };

export const yesFlag = { kind: 'boolean', brief: 'Do not ask', optional: true, withNegated: false } as const;

/** A TCP port of 1 to 65535. */
export function parsePort(input: string): number {
  const port = Number(input);
  if (!/^[0-9]{1,5}$/.test(input) || port < 1 || port > 65_535)
    throw new SyntaxError(`${input} is no port (1 to 65535)`);
  return port;
}

/** A whole number of at least 1. */
export function parseCount(input: string): number {
  if (!/^[0-9]{1,9}$/.test(input) || Number(input) < 1)
    throw new SyntaxError(`${input} is no whole number of 1 or more`);
  return Number(input);
}

/** Dollars such as `0.5` or `$2`, as micro-dollars. */
export function parseDollars(input: string): bigint {
  const amount = parseUsd(input);
  if (amount === null) throw new SyntaxError(`${input} is no amount in dollars, such as 0.50`);
  return amount;
}

/** TAO such as `0.5` or `100`, as rao. */
export function parseTao(input: string): bigint {
  const match = /^([0-9]{1,9})(?:\.([0-9]{1,9}))?$/.exec(input);
  if (match === null) throw new SyntaxError(`${input} is no amount of TAO, such as 0.5`);
  return BigInt(match[1] as string) * RAO_PER_TAO + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** `60.17,24.94`: latitude and longitude in degrees. */
export function parseCoordinates(input: string): { latitude: number; longitude: number } {
  const match = /^(-?[0-9]{1,2}(?:\.[0-9]{1,6})?),(-?[0-9]{1,3}(?:\.[0-9]{1,6})?)$/.exec(input);
  const [latitude, longitude] = [Number(match?.[1] ?? Number.NaN), Number(match?.[2] ?? Number.NaN)];
  if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180) return { latitude, longitude };
  throw new SyntaxError(`${input} is no place in degrees, such as 60.17,24.94`);
}

/** `NAME=value`. */
export function parseAssignment(input: string): readonly [name: string, value: string] {
  const at = input.indexOf('=');
  if (at < 1) throw new SyntaxError(`${input} is not of the form NAME=value`);
  return [input.slice(0, at), input.slice(at + 1)];
}

/** The long help of a command: what it does, then examples that work as they stand. */
export function describe(text: string, examples: ReadonlyArray<readonly [line: string, what: string]>): string {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`.trimEnd());
  return `${text}\n\nEXAMPLES\n${lines.join('\n')}`;
}
