/** Canonical form is RFC 8785: two programs that say the same sign the same bytes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, documentSigningBytes, MAX_CANONICAL_DEPTH, requestSigningBytes } from './signing.ts';

describe('numbers are written as RFC 8785 section 3.2.2.3 and appendix B ask', () => {
  test.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('IEEE 754 %s is %s', (hex, text) => {
    expect(canonicalJson(Buffer.from(hex, 'hex').readDoubleBE())).toBe(text);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('%s has no form', (value) => {
    expect(() => canonicalJson({ a: [value] })).toThrow(TypeError);
  });

  test('and a bigint is its decimal digits as text', () => {
    expect(canonicalJson({ a: -(2n ** 70n) })).toBe('{"a":"-1180591620717411303424"}');
  });
});

describe('text', () => {
  test('has the short escapes, \\u00xx in lower case for other controls, and nothing else escaped', () => {
    const controls = '\b\t\n\f\r"\\\u0000\u001f\u007f/€\u2028😀';
    expect(canonicalJson(controls)).toBe('"\\b\\t\\n\\f\\r\\"\\\\\\u0000\\u001f\u007f/€\u2028😀"');
  });

  test('with half a surrogate pair has no form, as a value and as a name', () => {
    expect(() => canonicalJson('\ud800')).toThrow(/lone surrogate/);
    expect(() => canonicalJson({ '\udc00': 1 })).toThrow(/lone surrogate/);
  });
});

describe('members', () => {
  test('are sorted by UTF-16 code units: an emoji comes before a Hebrew presentation form', () => {
    const given = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    };
    const values = (canonicalJson(given).match(/:"[^"]*"/g) ?? []).map((text) => text.slice(2, -1));
    expect(values).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  test('are sorted at every depth, elements of arrays at none', () => {
    expect(canonicalJson({ b: [3, { z: null, a: true }, 1], a: { d: false, c: '' } })).toBe(
      '{"a":{"c":"","d":false},"b":[3,{"a":true,"z":null},1]}',
    );
  });

  test('whose value is undefined are left out, as JSON does', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
  });
});

test('the whole example of RFC 8785 section 3.2.4 comes out byte for byte', () => {
  const given: unknown = JSON.parse(
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
      '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
  );
  expect(canonicalJson(given)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

describe('what JSON cannot say is refused instead of signed as something else', () => {
  test.each([
    ['a date', new Date(0)],
    ['a map', new Map([['a', 1]])],
    ['a set', new Set([1])],
    ['bytes', new Uint8Array(2)],
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['undefined', undefined],
  ])('%s', (_what, value) => {
    expect(() => canonicalJson([value])).toThrow(TypeError);
  });

  test('a hole in an array', () => {
    expect(() => canonicalJson(Array(2))).toThrow(TypeError);
  });

  test('nesting without end, before the stack is', () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < MAX_CANONICAL_DEPTH; depth += 1) deep = [deep];
    expect(canonicalJson(deep)).toHaveLength(2 * MAX_CANONICAL_DEPTH + 1);
    expect(() => canonicalJson({ deep })).toThrow(/nested deeper/);
  });
});

describe('for any JSON at all', () => {
  const json = fc.jsonValue({ maxDepth: 5 });

  test('canonical form reads back as what went in', () => {
    fc.assert(
      fc.property(json, (value) => {
        // JSON has no negative zero: it is read back as zero.
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('canonical form of canonical form is itself, and the order of members does not matter', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), json), (value) => {
        const once = canonicalJson(value);
        const reversed = Object.fromEntries(Object.entries(value).toReversed());
        expect(canonicalJson(JSON.parse(once))).toBe(once);
        expect(canonicalJson(reversed)).toBe(once);
      }),
    );
  });
});

describe('what is signed', () => {
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

  test('names the document and its major version before the body', () => {
    expect(text(documentSigningBytes('grant', 1, { b: 1, a: 2n }))).toBe('celium/grant/v1\n{"a":"2","b":1}');
  });

  test('of a request binds method, path, body, nonce, expiry and recipient', () => {
    const binding = {
      method: 'POST',
      path: '/v1/leases?wait=1',
      bodySha256Hex: 'ab',
      nonce: 'n',
      expiresAtMs: 5,
      audience: 'cd',
    };
    expect(text(requestSigningBytes(binding))).toBe(
      'celium/request/v1\n{"audience":"cd","bodySha256Hex":"ab","expiresAtMs":5,"method":"POST","nonce":"n","path":"/v1/leases?wait=1"}',
    );
  });
});
