/** JSON of strangers: the same as any other, as long as it is no deeper than a document may be. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_CANONICAL_DEPTH } from './signing.ts';
import { parseStrangersJson } from './strangers-json.ts';

test('what is not too deep is read as JSON is read, brackets and quotes inside of text included', () => {
  const text = fc.string({ unit: fc.constantFrom('[', '{', '}', ']', '"', '\\', 'a', '\u005b', '💶') });
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 5 },
      text,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(null, true),
      tie('list'),
      tie('object'),
    ),
    list: fc.array(tie('any'), { maxLength: 4 }),
    object: fc.dictionary(text, tie('any'), { maxKeys: 4 }),
  })).any;
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1), (any, indent) => {
      const json = JSON.stringify(any, null, indent);
      expect(parseStrangersJson(json)).toEqual(JSON.parse(json));
    }),
  );
});

test('what is no JSON is refused as JSON.parse refuses it', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('[', '{', '}', ']', '"', '\\', ',', ':', '1', ' ') }), (input) => {
      const read = (parse: (text: string) => unknown): unknown => {
        try {
          return { value: parse(input) };
        } catch (fault) {
          return fault instanceof SyntaxError ? 'no JSON' : fault;
        }
      };
      expect(read(parseStrangersJson)).toEqual(read(JSON.parse));
    }),
  );
});

test('what is deeper than a document may be is refused before it is built', () => {
  const nested = (depth: number): string => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`;
  expect(parseStrangersJson(nested(MAX_CANONICAL_DEPTH))).toEqual(JSON.parse(nested(MAX_CANONICAL_DEPTH)));
  for (const depth of [MAX_CANONICAL_DEPTH + 2, 200_000])
    expect(() => parseStrangersJson(nested(depth))).toThrow(/deeper/);
  expect(() => parseStrangersJson('['.repeat(500_000))).toThrow(/deeper/);
});
