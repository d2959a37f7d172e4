/** How the market logs: JSON lines, with the fields that hold secrets struck out wherever they stand. */
import type { LoggerOptions } from 'pino';

const SECRET_FIELDS = ['authorization', 'password', 'apiKey', 'secret', 'cookie', 'headers'];

export function logOptions(): LoggerOptions {
  return {
    name: 'market',
    level: process.env['CELIUM_LOG'] ?? 'info',
    redact: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`, `err.*.${field}`]),
  };
}
