/** Who may ask for a lease: every authority, every kind. */
import { expect, test } from 'vitest';
import { judgeAuthority, type AuthorityKind } from './authority.ts';
import { LEASE_KINDS } from './lease.ts';

const STRANGER = { isListedMarket: false, hasPermit: false };
const ALL_POWERS = { isListedMarket: true, hasPermit: true };

test('a stranger is allowed nothing, as whatever it comes', () => {
  for (const authorityKind of ['market', 'validator', 'holder'] as const) {
    for (const kind of LEASE_KINDS) expect(judgeAuthority({ authorityKind, kind }, STRANGER)).not.toBe('allowed');
  }
});

test('a listed market may ask for paid leases and a permitted validator for checks, and nobody for anything else', () => {
  const allowed: Array<[AuthorityKind, string]> = [];
  for (const authorityKind of ['market', 'validator', 'holder'] as const) {
    for (const kind of LEASE_KINDS) {
      if (judgeAuthority({ authorityKind, kind }, ALL_POWERS) === 'allowed') allowed.push([authorityKind, kind]);
    }
  }
  expect(allowed).toEqual([
    ['market', 'paid'],
    ['validator', 'verification'],
  ]);
});

test('the chain is asked only for a validator that asks for a check', () => {
  const unasked = { isListedMarket: true, hasPermit: null };
  expect(judgeAuthority({ authorityKind: 'validator', kind: 'verification' }, unasked)).toBe('needs-permit');
  expect(judgeAuthority({ authorityKind: 'validator', kind: 'paid' }, unasked)).not.toBe('needs-permit');
  expect(judgeAuthority({ authorityKind: 'market', kind: 'paid' }, unasked)).toBe('allowed');
});
