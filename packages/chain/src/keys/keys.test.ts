/** Keys agree with Substrate's published vectors, and no garbage verifies or throws. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHex, toHex, utf8 } from './bytes.ts';
import { DEV_PHRASE, softPublicKey } from './derivation.ts';
import {
  canonicalPrivateKey,
  generateKey,
  keyFromMnemonic,
  keyFromPrivateKey,
  keyFromSeed,
  keyFromUri,
  verifySignature,
  verifyWalletSignIn,
} from './key-pair.ts';
import { decodeSs58, encodeSs58, explainBadSs58, isSs58 } from './ss58.ts';

const alice = keyFromUri('//Alice');
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index);

test('development keys have the addresses every Substrate tool gives them', () => {
  expect(alice.ss58).toBe('5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY');
  expect(keyFromUri('//Bob').ss58).toBe('5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty');
  expect(keyFromMnemonic(DEV_PHRASE).ss58).toBe('5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV');
});

test('a recovery phrase gives the mini-secret of Substrate, not the seed of BIP39', () => {
  const { seed } = keyFromMnemonic(DEV_PHRASE).revealSecrets();
  expect(toHex(seed ?? new Uint8Array())).toBe('fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e');
});

test('a signature made by schnorrkel verifies, and one made here verifies', async () => {
  const message = utf8('I hereby verify that I control 5Grwva');
  const signature = await alice.sign(message);
  expect(signature.length).toBe(64);
  expect(verifySignature(message, signature, alice.publicKey)).toBe(true);
  expect(verifySignature(utf8('another'), signature, alice.publicKey)).toBe(false);
  const known = fromHex(
    '4e172314444b8f820bb54c22e95076f220ed25373e5c178234aa6c211d29271244b947e3ff3418ff6b45fd1df1140c8cbff69fc58ee6dc96df70936a2bb74b82',
  );
  const signer = fromHex('46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a');
  const text = utf8('this is a message');
  expect(verifySignature(text, known ?? new Uint8Array(), signer ?? new Uint8Array())).toBe(true);
});

test('garbage keys, signatures and messages are refused without an exception', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 40 }),
      (message, signature, publicKey) => verifySignature(message, signature, publicKey) === false,
    ),
    { numRuns: 300 },
  );
  const bent = new Uint8Array(64).fill(255);
  expect(verifySignature(utf8('x'), bent, alice.publicKey)).toBe(false);
  expect(verifySignature(utf8('x'), new Uint8Array(64), new Uint8Array(32))).toBe(false);
});

test('a wallet that wraps in <Bytes> is accepted for sign-in only', async () => {
  const signature = await alice.sign(utf8('<Bytes>hello</Bytes>'));
  expect(verifyWalletSignIn(utf8('hello'), signature, alice.publicKey)).toBe(true);
  expect(verifySignature(utf8('hello'), signature, alice.publicKey)).toBe(false);
});

test('a server finds a soft-derived deposit address without the secret', () => {
  const child = alice.deriveSoft('42');
  expect(toHex(child.publicKey)).toBe(toHex(softPublicKey(alice.publicKey, '42')));
  expect(child.ss58).not.toBe(alice.deriveHard('42').ss58);
  expect(keyFromUri('//Alice/42').ss58).toBe(child.ss58);
});

test('a soft-derived key signs', async () => {
  const child = keyFromUri(`${DEV_PHRASE}//a rather long junction name beyond thirty-two bytes/7`);
  expect(verifySignature(utf8('m'), await child.sign(utf8('m')), child.publicKey)).toBe(true);
});

test('a password changes the key, an empty one does not', () => {
  expect(keyFromUri(`${DEV_PHRASE}///secret`).ss58).not.toBe(keyFromMnemonic(DEV_PHRASE).ss58);
  expect(keyFromUri(`${DEV_PHRASE}///`).ss58).toBe(keyFromMnemonic(DEV_PHRASE).ss58);
});

test('the same randomness gives the same key and signature', async () => {
  const one = generateKey({ randomBytes: counting });
  const two = generateKey({ randomBytes: counting });
  expect(one.ss58).toBe(two.ss58);
  expect(toHex(await one.sign(utf8('m')))).toBe(toHex(await two.sign(utf8('m'))));
  expect(one.revealSecrets().mnemonic?.split(' ')).toHaveLength(12);
});

test('a private key is read in schnorrkel and in polkadot form, and refused for another address', () => {
  const { secretKey } = alice.revealSecrets();
  expect(keyFromPrivateKey(canonicalPrivateKey(secretKey), alice.publicKey).ss58).toBe(alice.ss58);
  expect(keyFromPrivateKey(secretKey, alice.publicKey).ss58).toBe(alice.ss58);
  expect(() => keyFromPrivateKey(secretKey, keyFromUri('//Bob').publicKey)).toThrow(/does not belong/);
});

test('no secret shows when a key is logged', () => {
  const key = keyFromSeed(counting(32));
  expect(inspect(key, { depth: 5, showHidden: true }) + JSON.stringify(key)).not.toContain('00010203');
  expect(JSON.stringify(key)).not.toContain('secret');
});

test('addresses and keys convert both ways', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      expect(toHex(decodeSs58(encodeSs58(key)))).toBe(toHex(key));
    }),
  );
});

test('an address with one character changed is refused', () => {
  fc.assert(
    fc.property(
      fc.nat(47),
      fc.constantFrom(...'123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'),
      (at, char) => {
        const bent = alice.ss58.slice(0, at) + char + alice.ss58.slice(at + 1);
        return bent === alice.ss58 || !isSs58(bent);
      },
    ),
  );
});

test('arbitrary text is no address and never an exception', () => {
  fc.assert(fc.property(fc.string(), (text) => !isSs58(text)));
  expect(explainBadSs58('15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5')).toMatch(/another network/);
  expect(explainBadSs58('')).toMatch(/empty/);
});

test('a wrong phrase says what is wrong', () => {
  expect(() => keyFromMnemonic('bottom drive obey')).toThrow(/recovery phrase/);
});
