/** What the engine says is read exactly: its times, its logs. */
import { expect, test } from 'vitest';
import { demultiplex, engineTimeMs } from './docker-engine.ts';

test('an engine’s time keeps its fractions', () => {
  expect(engineTimeMs('1970-01-01T00:00:01.250500000Z')).toBeCloseTo(1_250.5, 6);
  expect(engineTimeMs('2026-11-22T10:00:00Z')).toBe(Date.UTC(2026, 10, 22, 10));
  expect(engineTimeMs('2026-11-22T12:00:00.5+02:00')).toBe(Date.UTC(2026, 10, 22, 10) + 500);
});

test('“never”, nothing and garbage are no time', () => {
  for (const text of ['0001-01-01T00:00:00Z', '', 'yesterday', undefined]) expect(engineTimeMs(text)).toBe(null);
});

test('a log’s frames are put together, and a cut-off one ends it', () => {
  const frame = (stream: number, text: string): Buffer => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  const whole = Buffer.concat([frame(1, 'out\n'), frame(2, 'err\n')]);
  expect(demultiplex(whole).toString()).toBe('out\nerr\n');
  expect(demultiplex(whole.subarray(0, whole.length - 2)).toString()).toBe('out\ner');
  expect(demultiplex(Buffer.alloc(0)).toString()).toBe('');
});
