/** How a command's result leaves: words or a table on a terminal, JSON when piped or asked for. */

import type { CliContext } from '../context.ts';

/** True when this run answers in JSON: by `--json`, or because stdout is no terminal. */
export function answersInJson(context: CliContext, json: boolean | undefined): boolean {
  return json ?? context.process.stdout.isTTY !== true;
}

/** Writes a result in the form that fits. `asText` is only called when text is wanted. */
export function writeResult(
  context: CliContext,
  json: boolean | undefined,
  value: unknown,
  asText: () => string,
): void {
  if (!answersInJson(context, json)) {
    context.process.stdout.write(asText());
    return;
  }
  context.process.stdout.write(`${toJson(value, context.process.stdout.isTTY === true ? 2 : 0)}\n`);
}

/** JSON with bigint as decimal strings, as everywhere on the wire. */
export function toJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? String(member) : member), indent);
}
