/** SSH keys as strangers hand them in: whatever goes in, at most one line of type and base64 comes out. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSshPublicKey, SSH_KEY_TYPES } from './ssh-key.ts';

const golden = (name: string): string[] =>
  readFileSync(new URL(`./golden/${name}`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
/** Public keys that `ssh-keygen` of OpenSSH 9.2 wrote: Ed25519, RSA 2048 and 4096, ECDSA 256, 384 and 521. */
const REAL_KEYS = golden('ssh-keygen-keys.pub');
const REAL_KEY = REAL_KEYS[0] as string;

/** A blob of length-prefixed fields, as base64. */
function blob(...fields: Array<string | number>): string {
  const parts = fields.map((field) => (typeof field === 'string' ? Buffer.from(field) : Buffer.alloc(field, 7)));
  const lengths = parts.map((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    return Buffer.concat([length, part]);
  });
  return Buffer.concat(lengths).toString('base64');
}

const SECURITY_KEYS = [
  `sk-ssh-ed25519@openssh.com ${blob('sk-ssh-ed25519@openssh.com', 32, 'ssh:')}`,
  `sk-ecdsa-sha2-nistp256@openssh.com ${blob('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', 65, 'ssh:')}`,
];

/** The same key with an unused bit of its last base64 character set. */
function strayBits(key: string): string {
  const base64 = key.split(' ')[1] as string;
  const last = base64.at(-2) as string;
  return `${key.split(' ')[0]} ${base64.slice(0, -2)}${String.fromCharCode(last.charCodeAt(0) + 1)}=`;
}

function lineOf(text: string): string | null {
  const parsed = parseSshPublicKey(text);
  return parsed.ok ? parsed.line : null;
}

describe('a real key', () => {
  test.each([...REAL_KEYS, ...SECURITY_KEYS])('is kept without its comment: %s', (key) => {
    const [type, base64] = key.split(' ') as [string, string];
    expect(parseSshPublicKey(key)).toEqual({ ok: true, type, blobBase64: base64, line: `${type} ${base64}` });
  });

  test('of every accepted type is among the examples', () => {
    const types = [...REAL_KEYS, ...SECURITY_KEYS].map((key) => key.split(' ')[0]);
    expect(new Set(types)).toEqual(new Set(SSH_KEY_TYPES));
  });

  test('comes out the same when it is parsed again', () => {
    for (const key of REAL_KEYS) {
      const once = lineOf(key) as string;
      expect(lineOf(once)).toBe(once);
    }
  });

  test('may have blanks and a line end around it, as files have', () => {
    expect(lineOf(`  ${REAL_KEY}\r\n`)).toBe(lineOf(REAL_KEY));
    expect(lineOf(REAL_KEY.replace(' ', ' \t '))).toBe(lineOf(REAL_KEY));
  });
});

describe('what is refused, with the reason', () => {
  test.each([
    ['options before the key', `command="rm -rf /" ${REAL_KEY}`, /options are not either/],
    ['an option without a value', `no-pty,${REAL_KEY}`, /options are not either/],
    ['two keys', `${REAL_KEY}\n${REAL_KEY}`, /one key at a time/],
    ['a line hidden in the comment', `${REAL_KEY} me\rcommand="x" ${REAL_KEY}`, /one key at a time/],
    ['a NUL byte', `${REAL_KEY}\0 more`, /one key at a time/],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----', /not accepted|base64/],
    ['an old DSA key', `ssh-dss ${blob('ssh-dss', 129, 21, 128, 128)}`, /not accepted/],
    ['a certificate', `ssh-ed25519-cert-v01@openssh.com ${blob('x', 32)}`, /not accepted/],
    ['nothing', '', /type, then base64/],
    ['only a type', 'ssh-ed25519', /type, then base64/],
    ['a type in capitals', REAL_KEY.replace('ssh', 'SSH'), /not accepted/],
    ['no base64', 'ssh-ed25519 not*base64', /not base64/],
    ['the base64 of another type', `ssh-rsa ${REAL_KEY.split(' ')[1]}`, /another key type/],
    ['a key that is cut off', `ssh-ed25519 ${blob('ssh-ed25519', 32).slice(0, -8)}`, /cut off/],
    ['a key with bytes behind its end', `ssh-ed25519 ${blob('ssh-ed25519', 32, 4)}`, /wrong length/],
    ['an RSA key of 1024 bits', golden('ssh-keygen-too-short.pub')[0] as string, /shorter than 2048/],
    ['a key longer than any', `ssh-rsa ${'A'.repeat(20_000)}`, /longer than any/],
    ['base64 whose last character has stray bits', strayBits(REAL_KEYS[3] as string), /not base64/],
  ])('%s', (_what, text, why) => {
    const parsed = parseSshPublicKey(text);
    expect(parsed).toMatchObject({ ok: false, why: expect.stringMatching(why) });
  });
});

describe('whatever goes in', () => {
  const LINE = /^[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/;
  const oneLineOut = (text: string): void => {
    const parsed = parseSshPublicKey(text);
    if (!parsed.ok) {
      expect(parsed.why).not.toMatch(/[\r\n\0]/);
      return;
    }
    expect(parsed.line).toMatch(LINE);
    expect(parsed.line).toBe(`${parsed.type} ${parsed.blobBase64}`);
    expect(SSH_KEY_TYPES as readonly string[]).toContain(parsed.type);
  };

  test('one line or a refusal comes out: 5,000 cases of text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 400 }), oneLineOut), { numRuns: 5_000 });
  });

  test('one line or a refusal comes out: 5,000 cases of damaged keys', () => {
    const junk = fc.oneof(
      fc.constantFrom('\n', '\r', '\0', ' ', '\t', '"', "'", '\\', '\u2028', '\u00a0', '=', '#', 'command="x" '),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    const damaged = fc
      .tuple(
        fc.constantFrom(...REAL_KEYS, ...SECURITY_KEYS),
        fc.array(fc.tuple(fc.nat(), junk, fc.nat(3)), { maxLength: 4 }),
      )
      .map(([key, edits]) =>
        edits.reduce((text, [where, what, drop]) => {
          const at = where % (text.length + 1);
          return text.slice(0, at) + what + text.slice(at + drop);
        }, key),
      );
    fc.assert(fc.property(damaged, oneLineOut), { numRuns: 5_000 });
  });
});
