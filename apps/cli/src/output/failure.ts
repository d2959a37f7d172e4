/** Errors as people read them: what happened, why, what to do; and the exit status, one for each code. */

import { CeliumError, errorBody, ERRORS, type ErrorCode } from '@celium/contract';
import { printable, printableJson, printableLines } from '@celium/domain';

/** Exit status when a command fails for a reason that is in no table: a fault of the CLI itself. */
export const FAULT_EXIT = 1;

/** Codes of the operating system, and what they mean here. */
const SYSTEM_CODES: Record<string, ErrorCode> = { ENOSPC: 'DISK_FULL', EADDRINUSE: 'PORT_IN_USE' };

/** The error as one of the table, where it is one: faults of the operating system get their code. */
export function knownFault(fault: unknown): CeliumError | null {
  if (fault instanceof CeliumError) return fault;
  const code = fault instanceof Error ? (fault as { code?: unknown }).code : undefined;
  const known = typeof code === 'string' ? SYSTEM_CODES[code] : undefined;
  return known === undefined ? null : new CeliumError(known, (fault as Error).message, { cause: fault });
}

/** Exit status of the CLI for anything thrown. */
export function exitStatusOf(fault: unknown): number {
  const known = knownFault(fault);
  return known === null ? FAULT_EXIT : ERRORS[known.code].exit;
}

/** Three lines for a person: the message, the meaning of its code where it says more, the remedy. */
export function formatFailure(fault: unknown, options: { trace?: boolean } = {}): string {
  const known = knownFault(fault);
  if (known === null) {
    const words = fault instanceof Error ? `${fault.name}: ${fault.message}` : String(fault);
    const trace = options.trace === true && fault instanceof Error ? `\n${fault.stack ?? ''}` : '';
    const remedy = 'This is a fault of celium itself; CELIUM_TRACE=1 shows where. Please report it.';
    return printableLines(`error: ${printable(words)}\n   do: ${remedy}${trace}`);
  }
  const lines = [`error: ${printable(known.message)}`];
  const { meaning, remedy } = ERRORS[known.code];
  if (meaning !== known.message) lines.push(`  why: ${meaning}`);
  lines.push(`   do: ${remedyOf(known) ?? remedy}`, ` code: ${known.code} (exit ${ERRORS[known.code].exit})`);
  if (options.trace === true && known.internal !== undefined) lines.push(`trace: ${known.internal}`);
  if (options.trace === true) lines.push(known.stack ?? '');
  return printableLines(lines.join('\n'));
}

/** The error as one line of JSON. */
export function failureAsJson(fault: unknown): string {
  const known = knownFault(fault);
  if (known !== null) {
    const { error } = errorBody(known);
    const { remedy, ...details } = error.details ?? {};
    const rest = Object.keys(details).length === 0 ? {} : { details };
    const sharper = typeof remedy === 'string' ? remedy : error.remedy;
    return printableJson(
      JSON.stringify({ error: { code: error.code, message: error.message, remedy: sharper, ...rest } }),
    );
  }
  const message = fault instanceof Error ? fault.message : String(fault);
  return printableJson(JSON.stringify({ error: { code: 'INTERNAL', message, remedy: ERRORS.INTERNAL.remedy } }));
}

/** An error with a remedy of its own, sharper than the table's. */
export function faultWithRemedy(code: ErrorCode, message: string, remedy: string, cause?: unknown): CeliumError {
  return new CeliumError(code, message, { cause, details: { remedy } });
}

function remedyOf(fault: CeliumError): string | null {
  const remedy = fault.details?.['remedy'];
  return typeof remedy === 'string' ? printable(remedy) : null;
}
