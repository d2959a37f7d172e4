/** Fields: each value has one spelling, so that two programs that mean the same sign the same. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  amount,
  decimal,
  hex32,
  hex64,
  machineId,
  port,
  ss58,
  sshPublicKeyLine,
  unitId,
  unixMs,
  uuid,
} from './fields.ts';

const takes = (schema: z.ZodType, value: unknown): boolean => schema.safeParse(value).success;

describe('an amount', () => {
  test('is every whole number up to 39 digits, written as its digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }), (value) => {
        expect(takes(decimal, value.toString())).toBe(true);
        expect(takes(amount, value.toString())).toBe(value >= 0n);
      }),
    );
  });

  test.each(['-0', '00', '01', '+1', '1.0', '1e3', ' 1', '1\n', '', '0x1', '١', 1])(
    'has one spelling: %j is none',
    (value) => {
      expect(takes(decimal, value)).toBe(false);
      expect(takes(amount, value)).toBe(false);
    },
  );
});

test.each([
  [
    'hex32',
    hex32,
    'a'.repeat(64),
    ['A'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), `0x${'a'.repeat(62)}`, `${'a'.repeat(64)}\n`],
  ],
  ['hex64', hex64, '0'.repeat(128), ['0'.repeat(127), 'g'.repeat(128)]],
  ['machineId', machineId, 'rack-1', ['', 'Rack', '-a', 'a-', 'a_b', 'a'.repeat(65), 'a/b', 'a b', 'a\n']],
  [
    'unitId of a GPU',
    unitId,
    'GPU-5f3b0a1c-0000-4000-8000-000000000001',
    ['GPU-', 'GPU-5F3B0A1C', 'gpu-5f3b0a1c', 'MIG-5f3b0a1c', 'GPU-5f3b0a1c\n'],
  ],
  ['unitId of a CPU machine', unitId, 'cpu:laptop', ['cpu:', 'cpu:A', 'cpu:a/b', 'cpu: a']],
  ['ss58', ss58, '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY', ['5Grwva', '0OIl'.repeat(12), '']],
  ['port', port, 65_535, [0, 65_536, 1.5, '22']],
  ['unixMs', unixMs, 1_790_000_000_000, [-1, 1.5, Number.NaN, 2 ** 60, '1']],
  ['uuid', uuid, '00000000-0000-4000-8000-000000000001', ['', '1', '00000000000040008000000000000001']],
  [
    'sshPublicKeyLine',
    sshPublicKeyLine,
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH',
    [
      'ssh-ed25519',
      'ssh-ed25519 AAAA comment',
      'ssh-ed25519  AAAA',
      'ssh-ed25519 AAAA\nssh-rsa AAAA',
      'no-pty ssh-ed25519 AAAA',
    ],
  ],
] as const)('%s takes one spelling and refuses others', (_name, schema, good, bad) => {
  expect(takes(schema, good)).toBe(true);
  expect(bad.filter((value) => takes(schema, value))).toEqual([]);
});
