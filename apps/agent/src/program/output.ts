/** What the agent prints on stdout: one JSON object a line, or a line for a person. */
import { CeliumError, ERRORS, type ErrorCode } from '@celium/contract';
import { printableJson, printableLines } from '@celium/domain';
import { EngineFailure } from '../engine/failure.ts';
import { formatStep, type StepEvent } from '../engine/progress.ts';
import { explain } from '../log.ts';

/** A fault as it is told: code of the table, what happened, what to do. */
export interface ToldFault {
  code: ErrorCode;
  message: string;
  remedy: string;
}

/** Any fault in the words of the table; what is not known is `INTERNAL`, with its own first line. */
export function toldFault(fault: unknown): ToldFault {
  if (fault instanceof CeliumError) return { code: fault.code, message: fault.message, remedy: fault.remedy };
  if (fault instanceof EngineFailure) return { code: fault.code, message: fault.message, remedy: fault.remedy };
  if (/ENOSPC|no space left|disk is full/i.test(String(fault))) {
    return { code: 'DISK_FULL', message: explain(fault), remedy: ERRORS.DISK_FULL.remedy };
  }
  return { code: 'INTERNAL', message: explain(fault), remedy: ERRORS.INTERNAL.remedy };
}

export class Output {
  readonly #json: boolean;

  constructor(json: boolean) {
    this.#json = json;
  }

  step(event: StepEvent): void {
    this.#print(event, formatStep(event));
  }

  ready(fields: Record<string, unknown>, words: string): void {
    this.#print({ event: 'ready', ...fields }, words);
  }

  /** Prints a fault and returns the exit status that goes with it. */
  fault(fault: unknown): number {
    const told = toldFault(fault);
    if (this.#json) this.#print({ event: 'error', ...told }, '');
    else process.stderr.write(printableLines(`${told.code}: ${told.message}\n${told.remedy}\n`));
    return ERRORS[told.code].exit;
  }

  #print(event: object, words: string): void {
    process.stdout.write(`${this.#json ? printableJson(JSON.stringify(event)) : printableLines(words)}\n`);
  }
}
