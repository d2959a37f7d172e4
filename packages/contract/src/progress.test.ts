/** Progress lines: what a program says on stdout is understood, and its other output is left alone. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseProgressLine } from './progress.ts';

test.each([
  [
    {
      event: 'step',
      name: 'install Docker',
      status: 'progress',
      detail: 'downloading',
      bytes: 5,
      totalBytes: 10,
      ms: 12.5,
    },
  ],
  [{ event: 'ready', url: 'http://127.0.0.1:8080', pid: 1 }],
  [{ event: 'error', code: 'PORT_IN_USE', message: 'Another program listens on 8080.', remedy: 'Stop it.' }],
])('%j is read as it was written', (event) => {
  expect(parseProgressLine(JSON.stringify(event))).toEqual(event);
});

test.each([
  '',
  'Listening on 8080',
  '{',
  '{}',
  '[]',
  'null',
  '{"event":"else"}',
  '{"event":"step","name":"x"}',
  ' {"event":"ready"}',
])('%j is no progress, and is left alone', (line) => {
  expect(parseProgressLine(line)).toBeNull();
});

test('no line makes the reader fail', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.string().map((text) => `{${text}`),
      ),
      (line) => {
        const event = parseProgressLine(line);
        expect(event === null || ['step', 'ready', 'error'].includes(event.event)).toBe(true);
      },
    ),
  );
});
