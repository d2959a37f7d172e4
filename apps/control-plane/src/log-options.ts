/** How the market logs: JSON lines, with the fields that hold secrets struck out wherever they stand, and nothing of strangers raw. */
import { printableJson } from '@celium/domain';
import type { LoggerOptions } from 'pino';

const SECRET_FIELDS = ['authorization', 'password', 'apiKey', 'secret', 'cookie', 'headers'];

export function logOptions(): LoggerOptions {
  return {
    name: 'market',
    level: process.env['CELIUM_LOG'] ?? 'info',
    redact: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`, `err.*.${field}`]),
  };
}

/** Where lines go: what agents and callers wrote into them steers no terminal. */
export function logSink(out: { write(line: string): unknown }): { write(line: string): void } {
  return { write: (line) => void out.write(printableJson(line)) };
}
