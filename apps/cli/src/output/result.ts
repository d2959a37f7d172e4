/** How a command's result leaves: words or a table on a terminal, JSON when piped or asked for. */

import { printableJson, printableLines } from '@celium/domain';
import type { CliContext } from '../context.ts';

/** True when this run answers in JSON: by `--json`, or because stdout is no terminal. */
export function answersInJson(context: CliContext, json: boolean | undefined): boolean {
  return json ?? context.process.stdout.isTTY !== true;
}

/** Writes a result in the form that fits. `asText` is only called when text is wanted; what strangers wrote into it steers no terminal. */
export function writeResult(
  context: CliContext,
  json: boolean | undefined,
  value: unknown,
  asText: () => string,
): void {
  if (!answersInJson(context, json)) {
    context.process.stdout.write(printableLines(asText()));
    return;
  }
  context.process.stdout.write(`${toJson(value, context.process.stdout.isTTY === true ? 2 : 0)}\n`);
}

/** JSON with bigint as decimal strings, as everywhere on the wire; what steers a terminal is escaped. */
export function toJson(value: unknown, indent = 0): string {
  const decimal = (_: string, member: unknown): unknown => (typeof member === 'bigint' ? String(member) : member);
  return printableJson(JSON.stringify(value, decimal, indent));
}
