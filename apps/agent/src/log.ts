/** The agent's log, and how what others wrote gets into it. */
import { printableJson } from '@celium/domain';

/** What the agent needs of a logger; pino's fits. Keys and tokens never come here. */
export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** A sink of JSON lines whose text may be of strangers: what steers a terminal is escaped. */
export function printableSink(out: { write(line: string): unknown }): { write(line: string): void } {
  return { write: (line) => void out.write(printableJson(line)) };
}

/** A logger that says nothing, for tests. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** An unknown fault in one line. */
export function explain(fault: unknown): string {
  const text = fault instanceof Error ? fault.message : String(fault);
  return (text.trim().split('\n')[0] ?? '').slice(0, 500);
}
