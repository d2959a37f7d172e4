/** The one fault of the engine set-up: a code from the table, what happened, and what to do about it. */
import type { ErrorCode } from '@celium/contract';

/** Codes of the table that setting up an engine can end with. */
export type EngineFailureCode = Extract<
  ErrorCode,
  'ENGINE_UNAVAILABLE' | 'ENGINE_START_FAILED' | 'NOT_ROOT' | 'DISK_FULL' | 'IMAGE_UNAVAILABLE'
>;

/** Thrown by everything in this folder; `remedy` is a sentence for a person, `message` says what happened and why. */
export class EngineFailure extends Error {
  readonly code: EngineFailureCode;
  readonly remedy: string;

  constructor(code: EngineFailureCode, message: string, remedy: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'EngineFailure';
    this.code = code;
    this.remedy = remedy;
  }
}

/** Turns "no space left" in any guise into DISK_FULL; everything else keeps the given failure. */
export function explainFault(fault: unknown, otherwise: EngineFailure): EngineFailure {
  if (fault instanceof EngineFailure) return fault;
  const text =
    fault instanceof Error ? `${fault.message} ${(fault as NodeJS.ErrnoException).code ?? ''}` : String(fault);
  if (/ENOSPC|no space left on device/i.test(text)) {
    return new EngineFailure(
      'DISK_FULL',
      `The disk is full: ${firstLine(text)}`,
      'Free some disk space (about 2 GB are needed for the first set-up), then run the command again.',
      fault,
    );
  }
  return otherwise;
}

/** The first line of a message that may have many, at most 300 characters. */
export function firstLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '').slice(0, 300);
}
