/** A decoy cannot be invented afterwards, left out, or changed; and a commitment tells nothing, not even whether there was one. */
import { readFileSync } from 'node:fs';
import type { DecoyCommitment, DecoyDisclosure, DecoyFacts } from '@celium/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commitToDecoys, decoyLeaf, faultOfDisclosure } from './decoy-commitment.ts';

const hex32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const facts: fc.Arbitrary<DecoyFacts> = fc.record({
  decoyId: fc.uuid(),
  salt: hex32,
  market: hex32,
  rentalId: fc.uuid(),
  grantHash: hex32,
  hotkey: fc.constant('5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY'),
  machineKey: hex32,
  units: fc.constant(['cpu:box']),
  startedAtMs: fc.nat(),
});

function disclosureOf(period: number, salt: string, all: readonly DecoyFacts[]): DecoyDisclosure {
  const decoys = all.map((one) => ({
    facts: one,
    endedAtMs: one.startedAtMs + 1,
    chargedMicroUsd: '5',
    outcome: 'CHECKED',
    receipts: [],
  }));
  return { period, salt, leaves: all.map(decoyLeaf).toSorted(), decoys };
}

test('what was committed to is accepted; anything added, left out or changed is not', () => {
  fc.assert(
    fc.property(fc.array(facts, { minLength: 1, maxLength: 4 }), facts, hex32, fc.nat(), (all, other, salt, period) => {
      const committed = commitToDecoys(period, salt, all.map(decoyLeaf));
      expect(faultOfDisclosure(committed, disclosureOf(period, salt, all))).toBeNull();
      expect(faultOfDisclosure(committed, disclosureOf(period, salt, [...all, other]))).not.toBeNull();
      expect(faultOfDisclosure(committed, disclosureOf(period, salt, all.slice(1)))).not.toBeNull();
      expect(faultOfDisclosure(committed, disclosureOf(period + 1, salt, all))).not.toBeNull();
      const honest = disclosureOf(period, salt, all);
      expect(faultOfDisclosure(committed, { ...honest, decoys: [] })).toBe('the decoys are not those of the leaves');
      const moved = honest.decoys.map((one) => ({ ...one, facts: { ...one.facts, rentalId: other.rentalId } }));
      expect(faultOfDisclosure(committed, { ...honest, decoys: moved })).not.toBeNull();
    }),
    { numRuns: 200 },
  );
});

test('an hour without decoys has a commitment like any other, and opens to nothing', () => {
  fc.assert(
    fc.property(hex32, fc.nat(), (salt, period) => {
      const committed = commitToDecoys(period, salt, []);
      expect(committed.commitment).toMatch(/^[0-9a-f]{64}$/);
      expect(faultOfDisclosure(committed, disclosureOf(period, salt, []))).toBeNull();
    }),
    { numRuns: 50 },
  );
});

test('the example of a disclosure opens the example of a commitment', () => {
  const read = (kind: string): unknown =>
    JSON.parse(readFileSync(new URL(`../../../contract/golden/log-entries/${kind}.json`, import.meta.url), 'utf8'));
  const disclosed = read('decoys-disclosed') as DecoyDisclosure;
  expect(faultOfDisclosure(read('decoy-commitment') as DecoyCommitment, disclosed)).toBeNull();
});
