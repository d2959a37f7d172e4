/** Wallets that btcli wrote are read, what we write is what btcli writes, and no damaged file passes for a key. */
import { chmodSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex, utf8 } from '../keys/bytes.ts';
import { DEV_PHRASE } from '../keys/derivation.ts';
import { keyFromMnemonic, keyFromSeed, keyFromUri } from '../keys/key-pair.ts';
import { decryptKeyfile, encryptKeyfile } from './encryption.ts';
import type { KdfLimits } from './kdf.ts';
import { keyfileEncryption, parseKeyfile, serializePublicKeyfile, serializeSecretKeyfile } from './keyfile.ts';
import {
  listWallets,
  readColdkey,
  readColdkeyAddress,
  readHotkey,
  walletPaths,
  writeColdkey,
  writeHotkey,
} from './wallet-files.ts';

const golden = new URL('./golden/', import.meta.url);
const password = 'correct horse battery';
const limits: KdfLimits = { operations: 3, memoryBytes: 1_048_576 };
const zeros = (length: number): Uint8Array => new Uint8Array(length);
const coldkey = keyFromMnemonic(DEV_PHRASE);
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, golden)));
const addressOf = (text: string): string => {
  const content = parseKeyfile(utf8(text));
  return content.kind === 'secret' ? content.key.ss58 : content.ss58;
};

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-wallet-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a coldkey that libsodium encrypted at full cost opens with its password, with progress on the way', async () => {
  const paths = walletPaths(folder, 'golden');
  cpSync(golden, paths.folder, { recursive: true });
  const fractions: number[] = [];
  const key = await readColdkey(paths, {
    password: async () => password,
    onProgress: ({ fraction }) => fractions.push(fraction),
  });
  expect(key.ss58).toBe('5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV');
  expect(fractions[0]).toBeLessThan(0.01);
  expect(fractions.at(-1)).toBe(1);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
}, 60_000);

test('the files we write are, byte for byte, the golden ones', () => {
  const hotkey = keyFromMnemonic('legal winner thank year wave sausage worth useful legal winner thank yellow');
  expect(serializeSecretKeyfile(hotkey)).toBe(Buffer.from(bytesOf('hotkeys/default')).toString());
  expect(serializePublicKeyfile(coldkey.ss58)).toBe(Buffer.from(bytesOf('coldkeypub.txt')).toString());
});

test('the two older encryptions are read', async () => {
  const vault = await decryptKeyfile(bytesOf('coldkey.ansible'), password);
  expect(addressOf(Buffer.from(vault).toString())).toBe(coldkey.ss58);
  const fernet = await decryptKeyfile(bytesOf('coldkey.fernet'), password, { fernetRounds: 1_000 });
  expect(addressOf(Buffer.from(fernet).toString())).toBe(coldkey.ss58);
});

test('a wrong password says so, in every encryption', async () => {
  const nacl = await encryptKeyfile(utf8('{}'), password, { limits, randomBytes: zeros });
  expect(keyfileEncryption(nacl)).toBe('nacl');
  for (const file of [nacl, bytesOf('coldkey.ansible'), bytesOf('coldkey.fernet')]) {
    await expect(decryptKeyfile(file, 'guess', { limits, fernetRounds: 1_000 })).rejects.toMatchObject({
      code: 'BAD_WALLET',
      details: { reason: 'wrong-password' },
    });
  }
});

test('an encrypted file that was cut off is damaged, not a wrong password', async () => {
  for (const file of ['$NACL', '$ANSIBLE_VAULT;1.1;AES256\n6162', 'gAAAAABlU_EAAAEC']) {
    await expect(decryptKeyfile(utf8(file), password, { limits })).rejects.toMatchObject({
      details: { reason: 'malformed' },
    });
  }
});

test('a wallet written here is read back, with private modes, and never overwritten by accident', async () => {
  const paths = walletPaths(folder, 'mine');
  const hotkey = keyFromUri('//Alice');
  const options = { limits, randomBytes: zeros };
  await writeColdkey(paths, coldkey, password, options);
  await writeHotkey(paths, 'default', hotkey, options);
  const unlock = { limits, password: async () => password };
  expect((await readColdkey(paths, unlock)).ss58).toBe(coldkey.ss58);
  expect((await readHotkey(paths, 'default')).ss58).toBe(hotkey.ss58);
  expect(await readColdkeyAddress(paths)).toBe(coldkey.ss58);
  const mode = (path: string): number => statSync(path).mode & 0o777;
  expect([paths.folder, paths.hotkeys].map(mode)).toEqual([0o700, 0o700]);
  expect([paths.coldkey, paths.coldkeypub, join(paths.hotkeys, 'default')].map(mode)).toEqual([0o600, 0o600, 0o600]);
  expect(readFileSync(paths.coldkey, 'latin1')).not.toContain('secret');
  const before = readFileSync(join(paths.hotkeys, 'default'));
  await expect(writeHotkey(paths, 'default', coldkey, options)).rejects.toMatchObject({
    details: { reason: 'exists' },
  });
  await expect(writeColdkey(paths, hotkey, null, options)).rejects.toMatchObject({ details: { reason: 'exists' } });
  expect(readFileSync(join(paths.hotkeys, 'default'))).toEqual(before);
  expect(readdirSync(paths.hotkeys)).toEqual(['default']);
  expect(await listWallets(folder)).toEqual([
    { name: 'mine', coldkey: coldkey.ss58, hotkeys: [{ name: 'default', ss58: hotkey.ss58 }] },
  ]);
});

test('a coldkey beside the coldkeypub of another wallet is refused', async () => {
  const paths = walletPaths(folder, 'mixed');
  await writeColdkey(paths, coldkey, null, { randomBytes: zeros });
  writeFileSync(paths.coldkeypub, serializePublicKeyfile(keyFromUri('//Bob').ss58));
  const unlock = { password: async () => password };
  await expect(readColdkey(paths, unlock)).rejects.toMatchObject({ details: { reason: 'mismatch' } });
});

test('old files, a bare seed or phrase, are read', () => {
  const seed = toHex(coldkey.revealSecrets().seed ?? zeros(0));
  for (const text of [seed, `0x${seed}\n`, DEV_PHRASE, ` ${DEV_PHRASE}\n`]) expect(addressOf(text)).toBe(coldkey.ss58);
  expect(addressOf(coldkey.ss58)).toBe(coldkey.ss58);
});

test('seed, phrase and private key each suffice', () => {
  const fields = JSON.parse(serializeSecretKeyfile(coldkey)) as Record<string, string>;
  const { accountId, publicKey, ss58Address } = fields;
  for (const secret of ['secretPhrase', 'secretSeed', 'privateKey']) {
    const text = JSON.stringify({ accountId, publicKey, ss58Address, [secret]: fields[secret], cryptoType: 1 });
    expect(parseKeyfile(utf8(text))).toMatchObject({ kind: 'secret', key: { ss58: coldkey.ss58 } });
  }
});

test('a file whose key does not derive to its address is refused, whichever field lies', () => {
  const mine = JSON.parse(serializeSecretKeyfile(coldkey)) as Record<string, string>;
  const other = JSON.parse(
    serializeSecretKeyfile(
      keyFromMnemonic('legal winner thank year wave sausage worth useful legal winner thank yellow'),
    ),
  ) as Record<string, string>;
  for (const field of ['accountId', 'publicKey', 'ss58Address', 'secretPhrase']) {
    expect(() => parseKeyfile(utf8(JSON.stringify({ ...mine, [field]: other[field] })))).toThrow(/is|says/);
  }
  const { secretPhrase: _phrase, ...seedOnly } = mine;
  expect(() => parseKeyfile(utf8(JSON.stringify({ ...seedOnly, secretSeed: other['secretSeed'] })))).toThrow(
    /tampered/,
  );
  const { secretSeed: _seed, ...privateOnly } = seedOnly;
  expect(() => parseKeyfile(utf8(JSON.stringify({ ...privateOnly, privateKey: other['privateKey'] })))).toThrow(
    /belong/,
  );
});

test('a key of another type is refused by name', () => {
  const fields = JSON.parse(serializeSecretKeyfile(coldkey)) as Record<string, string>;
  expect(() => parseKeyfile(utf8(JSON.stringify({ ...fields, cryptoType: 0 })))).toThrow(/sr25519/);
  expect(() => parseKeyfile(utf8(JSON.stringify({ ...fields, signingScheme: 'ed25519' })))).toThrow(/ed25519/);
});

test('any seed survives writing and reading', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      const key = keyFromSeed(seed);
      expect(addressOf(serializeSecretKeyfile(key))).toBe(key.ss58);
    }),
    { numRuns: 25 },
  );
});

test('garbage is no wallet file, and says so', () => {
  const claims = (bytes: Uint8Array): unknown => {
    try {
      return parseKeyfile(bytes);
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => claims(bytes) === 'BAD_WALLET'));
  fc.assert(fc.property(fc.json(), (text) => claims(utf8(text)) === 'BAD_WALLET'));
  const damaged = serializeSecretKeyfile(coldkey);
  fc.assert(
    fc.property(fc.nat(damaged.length - 1), (cut) => claims(utf8(damaged.slice(0, cut))) === 'BAD_WALLET'),
    { numRuns: 50 },
  );
});

test('a missing file, a bad name and an unreadable folder are clear', async () => {
  const paths = walletPaths(folder, 'none');
  await expect(readHotkey(paths, 'default')).rejects.toThrow(/there is no key file/);
  await expect(readHotkey(paths, '../../etc/passwd')).rejects.toThrow(/no name/);
  chmodSync(folder, 0o700);
  expect(await listWallets(join(folder, 'absent'))).toEqual([]);
});
