/** A demo tells when the market did not keep its word. */
import { expect, test } from 'vitest';
import { brokenPromises, describeReport } from './report.ts';

const GOOD = {
  verifiedClass: 'CPU',
  proofSeconds: 9.1,
  auditCpuSeconds: 0.9,
  rentToReadyMs: 900,
  rentToSshMs: 1_100,
  floorSshMs: 800,
  commandOutput: 'hello',
  billedSeconds: 12.4,
  groundTruthSeconds: 12.9,
  chargedMicroUsd: 1_240,
  providerMicroUsd: 1_116,
  feeMicroUsd: 124,
  ledgerSum: 0,
  containersLeft: 0,
  steps: [],
};

test('a good demo breaks no promise', () => {
  expect(brokenPromises(GOOD)).toEqual([]);
  expect(describeReport({ ok: true, broken: [], ...GOOD })).toContain('1.1 s (1.38 times the floor)');
});

test('a bill that is off, a ledger that does not sum to zero, lost money and left containers are each named', () => {
  expect(brokenPromises({ ...GOOD, billedSeconds: 14 })).toEqual(['billed 14 s, but the pod lived 12.900 s']);
  expect(brokenPromises({ ...GOOD, ledgerSum: 1 })).toEqual(['the ledger sums to 1 micro-dollars instead of 0']);
  expect(brokenPromises({ ...GOOD, feeMicroUsd: 125 })).toEqual(['what was charged is not what provider and fee got']);
  expect(brokenPromises({ ...GOOD, containersLeft: 2 })).toEqual(['2 containers were left']);
});
