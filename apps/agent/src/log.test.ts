/** What gets into the agent's log from markets, validators and engines. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { printableSink } from './log.ts';

test('what a market wrote is in the log word for word, and nothing of it steers the terminal that shows the log', () => {
  const lines: string[] = [];
  const log = pino({ name: 'agent' }, printableSink({ write: (line) => lines.push(line) }));
  const text = 'no\u001b[2J\u009b31m \u202etxt.exe\u2028forged';
  log.warn({ text, err: new Error(text) }, text);
  const [line = ''] = lines;
  expect(line).toMatch(/^[\x20-\x7e]+\n$/);
  expect(JSON.parse(line)).toMatchObject({ text, msg: text, err: { message: text } });
});
