/** What several validators' machine receipts say of one machine, part by part. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  failedMachines,
  MACHINE_PARTS,
  MACHINE_RECEIPT_VALID_MS,
  machineStanding,
  withoutFailedMachines,
  type MachinePart,
  type MachineWord,
  type PartVerdict,
} from './machine-standing.ts';

const NOW = 100 * MACHINE_RECEIPT_VALID_MS;
let count = 0;

function word(
  said: Partial<Record<MachinePart, PartVerdict>>,
  options: { validator?: string; ageMs?: number; machineKey?: string } = {},
): MachineWord {
  const parts = Object.fromEntries(MACHINE_PARTS.map((part) => [part, { verdict: said[part] ?? 'not-tested' }]));
  return {
    receiptId: `receipt-${(count += 1)}`,
    validator: options.validator ?? 'a',
    machineKey: options.machineKey ?? 'm',
    endedAtMs: NOW - (options.ageMs ?? 1_000),
    parts: parts as MachineWord['parts'],
  };
}

describe('a machine', () => {
  test('that was never looked at has no standing and is not punished', () => {
    expect(machineStanding([], NOW).verdict).toBeNull();
    expect(machineStanding([word({})], NOW).verdict).toBeNull();
    expect(failedMachines([word({})], NOW).size).toBe(0);
  });

  test('is worth nothing as soon as one part failed, whatever else passed', () => {
    const standing = machineStanding([word({ storage: 'fail', ports: 'pass', network: 'pass' })], NOW);
    expect(standing).toMatchObject({ verdict: 'fail', failed: ['storage'] });
  });

  test('stays failed when a later check does not test the part that failed, and is clear once it passes', () => {
    const failed = word({ image: 'fail' }, { ageMs: 9_000 });
    const other = word({ storage: 'pass' }, { ageMs: 5_000 });
    expect(machineStanding([failed, other], NOW).verdict).toBe('fail');
    expect(machineStanding([failed, other, word({ image: 'pass' }, { ageMs: 10 })], NOW).verdict).toBe('pass');
  });

  test('loses its words after their time, failures too', () => {
    expect(machineStanding([word({ ports: 'fail' }, { ageMs: MACHINE_RECEIPT_VALID_MS })], NOW).verdict).toBe('fail');
    expect(machineStanding([word({ ports: 'fail' }, { ageMs: MACHINE_RECEIPT_VALID_MS + 1 })], NOW).verdict).toBeNull();
  });

  test('fails when half of those who tested the part say so, and is not failed by one of three', () => {
    const by = (validator: string, verdict: PartVerdict): MachineWord => word({ ports: verdict }, { validator });
    expect(machineStanding([by('a', 'pass'), by('b', 'fail')], NOW).verdict).toBe('fail');
    expect(machineStanding([by('a', 'pass'), by('b', 'pass'), by('c', 'fail')], NOW).verdict).toBe('pass');
  });
});

test('a failed machine takes its units out of the score until it passes, and only its own', () => {
  const words = [word({ storage: 'fail' }, { machineKey: 'bad' }), word({ storage: 'pass' }, { machineKey: 'good' })];
  const receipts = [{ machineKey: 'bad' }, { machineKey: 'good' }, { machineKey: 'unknown' }];
  expect(withoutFailedMachines(receipts, failedMachines(words, NOW))).toEqual([
    { machineKey: 'good' },
    { machineKey: 'unknown' },
  ]);
});

test('a further failure never lifts a standing, and words that test nothing change nothing', () => {
  const verdict = fc.constantFrom<PartVerdict>('pass', 'fail', 'not-tested');
  const any = fc.array(
    fc.record({
      parts: fc.record(Object.fromEntries(MACHINE_PARTS.map((part) => [part, verdict]))),
      validator: fc.constantFrom('a', 'b', 'c'),
      ageMs: fc.integer({ min: 1, max: 2 * MACHINE_RECEIPT_VALID_MS }),
    }),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(any, fc.constantFrom(...MACHINE_PARTS), fc.constantFrom('a', 'd'), (given, part, validator) => {
      const words = given.map((one) => word(one.parts, one));
      const before = machineStanding(words, NOW);
      expect(machineStanding([...words, word({}, { validator, ageMs: 0 })], NOW)).toEqual(before);
      const after = machineStanding([...words, word({ [part]: 'fail' }, { validator, ageMs: 0 })], NOW);
      if (before.verdict === 'fail') expect(after.verdict).toBe('fail');
      if (before.failed.includes(part)) expect(after.failed).toContain(part);
    }),
  );
});
