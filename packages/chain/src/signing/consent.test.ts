/** A consent is one machine key's word on one machine and one hotkey: it fits nowhere else. */
import { expect, test } from 'vitest';
import { toHex } from '../keys/bytes.ts';
import { keyFromUri } from '../keys/key-pair.ts';
import { hasConsent, signConsent } from './consent.ts';

const key = keyFromUri('//Machine');
const owner = keyFromUri('//Owner').ss58;
const agreed = { hotkey: owner, machineId: 'm', issuedAtMs: 7 };
const listing = { machineId: 'm', machineKey: toHex(key.publicKey), consent: await signConsent(key, agreed) };

test('a consent fits its own hotkey, machine, key and time', () => {
  expect(hasConsent(owner, listing)).toBe(true);
});

test('a consent fits nothing else, and none is no consent', () => {
  const { consent } = listing;
  expect(hasConsent(keyFromUri('//Thief').ss58, listing)).toBe(false);
  expect(hasConsent(owner, { ...listing, machineId: 'n' })).toBe(false);
  expect(hasConsent(owner, { ...listing, machineKey: toHex(keyFromUri('//Other').publicKey) })).toBe(false);
  expect(hasConsent(owner, { ...listing, consent: { ...consent, issuedAtMs: 8 } })).toBe(false);
  expect(hasConsent(owner, { ...listing, consent: { ...consent, signature: '0'.repeat(128) } })).toBe(false);
  expect(hasConsent(owner, { machineId: 'm', machineKey: listing.machineKey })).toBe(false);
});
