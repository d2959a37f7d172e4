/** Whatever a stranger writes, what is shown of it steers no terminal, hides nothing and says the same. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, printableAscii, printableJson, printableLines } from './printable.ts';

/** Raw code points that a terminal obeys or that hide text, from and to; line breaks apart. Written out, so that it is not the rule that is tested. */
const STEERING: readonly (readonly [number, number])[] = [
  [0x00, 0x09],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0x61c, 0x61c],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0xd800, 0xdfff],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0xe0000, 0xe007f],
];

function steers(text: string): boolean {
  return [...text].some((char) =>
    STEERING.some(([from, to]) => char.codePointAt(0)! >= from && char.codePointAt(0)! <= to),
  );
}

const ATTACKS = [
  '\u001b[2J\u001b]0;owned\u0007',
  '\u009b31m',
  'user\u202egnp.exe',
  'a\u2066b\u2069',
  'in\u200bvisible\ufeff',
  'one\u2028two\u2029three',
  '\ud800 alone',
  '\u{e0041}tag',
  '\r\nforged line',
  'del\u007f\u0008\u0008',
];

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...ATTACKS), fc.string({ unit: 'grapheme' }));

test('one line for people holds nothing that steers a terminal, and doing it twice changes nothing', () => {
  fc.assert(
    fc.property(anyText, fc.nat(300), (text, max) => {
      const shown = printable(text, max);
      expect(steers(shown)).toBe(false);
      expect(shown).not.toContain('\n');
      expect(shown.length).toBeLessThanOrEqual(max);
      expect(printable(shown, max)).toBe(shown);
    }),
  );
  for (const attack of ATTACKS) expect(steers(printable(attack))).toBe(false);
});

test('what people write stays readable in every script', () => {
  for (const text of ['Frankfurt am Main', 'Zürich', 'Київ', '東京', 'القاهرة', 'नई दिल्ली', '€ 0.36 ✓ 😀'])
    expect(printable(text)).toBe(text);
  expect(printable('a\tb\nc')).toBe('a b c');
  expect(printableLines('a\tb\r\nc\u001b[1m')).toBe('a\tb\nc?[1m');
  expect(printable(`x${'\u0301'.repeat(1_000)}`).length).toBe(5);
});

test('several lines keep their breaks and nothing else that steers', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(steers(printableLines(text).replaceAll('	', ' '))).toBe(false);
    }),
  );
});

test('what is signed is ASCII and bounded', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(printableAscii(text, 40)).toMatch(/^[\x20-\x7e]{0,40}$/);
    }),
  );
});

test('JSON says the same to a program and holds no raw byte that steers a terminal', () => {
  fc.assert(
    fc.property(fc.jsonValue(), anyText, anyText, fc.constantFrom(undefined, 2), (value, name, text, indent) => {
      const whole = { value, [`n${name}`]: text };
      const json = printableJson(JSON.stringify(whole, null, indent));
      expect(steers(json)).toBe(false);
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(whole)));
    }),
  );
  expect(printableJson('{"city":"Zürich"}')).toBe('{"city":"Zürich"}');
  expect(printableJson(JSON.stringify('\u009b\u{e0041}'))).toBe('"\\u009b\\udb40\\udc41"');
});
