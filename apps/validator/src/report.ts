/** What the program says on stdout: JSON lines for programs, a short line each for people. */

import { printable, printableJson } from '@celium/domain';
import type { Report } from './ports.ts';

/** `json`: one object a line; what steers a terminal is escaped. */
export function createReport(json: boolean, out: { write(text: string): unknown }): Report {
  if (json) return (line) => void out.write(`${printableJson(JSON.stringify(line))}\n`);
  return (line) => void out.write(`${wordsOf(line)}\n`);
}

/** One line for people. Text that came from others steers no terminal. */
export function wordsOf(line: Record<string, unknown>): string {
  const say = (value: unknown): string => printable(String(value ?? ''));
  switch (line['event']) {
    case 'ready':
      return `validator ${say(line['hotkey'])} serves ${say(line['url'])}`;
    case 'check': {
      const reason = line['reason'] as { code?: string; message?: string } | undefined;
      const what = line['unit'] ?? line['machineId'];
      const time = typeof line['proofMs'] === 'number' && line['proofMs'] > 0 ? ` in ${line['proofMs'] / 1000} s` : '';
      return `${say(line['verdict'])}: ${say(what)}${time}: ${say(reason?.code)}: ${say(reason?.message)}`;
    }
    case 'machine-check':
      return `${say(line['verdict'])}: machine ${say(line['machineId'])}: ${partsInWords(line)}`;
    case 'alarm':
      return `alarm ${say(line['code'])}: ${say(line['unit'] ?? line['machineId'])}: ${say(line['detail'])}`;
    default:
      return `${say(line['name'])}: ${say(line['status'])}${line['detail'] === undefined ? '' : `: ${say(line['detail'])}`}`;
  }
}

/** Each part with its verdict, and the reason of one that failed; or why nothing was looked at. */
function partsInWords(line: Record<string, unknown>): string {
  const reason = line['reason'] as { code?: string; message?: string } | undefined;
  if (reason !== undefined) return printable(`${reason.code}: ${reason.message}`);
  const parts = Object.entries(
    (line['parts'] ?? {}) as Record<string, { verdict: string; code: string; message: string }>,
  );
  const words = parts.map(([name, { verdict, code, message }]) =>
    verdict === 'fail'
      ? `${name} failed (${code}: ${message})`
      : `${name} ${verdict === 'pass' ? 'passed' : 'not tested'}`,
  );
  return printable(words.join(', '));
}
