/** What gets into the market's log from agents and callers. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { logOptions, logSink } from './log-options.ts';

test('what an agent wrote is in the log word for word, and nothing of it steers the terminal that shows the log', () => {
  const lines: string[] = [];
  const log = pino({ ...logOptions(), level: 'info' }, logSink({ write: (line) => lines.push(line) }));
  const message = 'busy\u001b]0;owned\u0007\u0085\u2066user\u200b';
  log.warn({ rentalId: 'r', code: 'X', message }, 'an agent refused a command');
  const [line = ''] = lines;
  expect(line).toMatch(/^[\x20-\x7e]+\n$/);
  expect(JSON.parse(line)).toMatchObject({ message, code: 'X' });
});
