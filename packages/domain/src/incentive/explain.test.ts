/** Explanations: every figure with its reason, from the computation itself. */
import { expect, test } from 'vitest';
import { explainMachine, explanationText } from './explain.ts';
import { moveReserve } from './demand-filter.ts';
import { PPM } from './parts-per-million.ts';
import { LAUNCH_CONSTANTS } from './policy.ts';
import { computeRates, type EpochInput } from './rates.ts';

const USD = 1_000_000n;
const epoch: EpochInput = {
  policy: {
    ...LAUNCH_CONSTANTS,
    rentalShare: 'emission',
    classes: [{ gpuClass: 'H200', reserveUnits: 20n, anchorMicroUsdPerHour: 2_400_000n }],
  },
  epochMs: 4_320_000n,
  potMicroUsd: 1_500n * USD,
  classes: [
    {
      gpuClass: 'H200',
      referenceMicroUsdPerHour: 2_500_000n,
      reserveUnitsPpm: 20n * PPM,
      reservoirMicroUsd: 270n * USD,
      countedMicroUsd: 90n * USD,
      withdrawnMicroUsd: 0n,
    },
  ],
  supply: [
    { hotkey: 'one', machineKey: 'm1', gpuClass: 'H200', units: 8n, reliabilityPpm: 970_000n, earnsBase: true },
    { hotkey: 'two', machineKey: 'm2', gpuClass: 'H200', units: 32n, reliabilityPpm: PPM, earnsBase: true },
    { hotkey: 'two', machineKey: 'm3', gpuClass: 'H200', units: 1n, reliabilityPpm: 500_000n, earnsBase: false },
    { hotkey: 'two', machineKey: 'm4', gpuClass: 'T4', units: 1n, reliabilityPpm: PPM, earnsBase: true },
  ],
  rentalShares: [{ hotkey: 'one', machineKey: 'm1', owedMicroUsd: 5n * USD }],
};

test('a machine reads what it is paid, figure by figure, and why', () => {
  expect(explanationText(explainMachine(computeRates(epoch), 'm1'))).toBe(
    [
      'machine 8 x H200 because the reference price is $2.50 per unit and hour, the epoch has 72 minutes, and rates are parts of that price',
      'base 0.176 because 39.7 reliable units share the base of the 20 that are wanted, 0.35 each',
      'demand 0.058 because $90.00 of smoothed, counted revenue releases 0.08 of itself, shared by 41 units',
      'reliability 0.97 because base and demand are multiplied by it; what it takes off the demand part burns',
      'pay $5.4613 because $4.0985 base and $1.3627 demand, 0.00364 of the pot',
      'rental share $5.00 because this is owed for rentals whose money was burned',
    ].join('\n'),
  );
});

test('units without base, classes without pay and strangers are told so', () => {
  const rates = computeRates(epoch);
  expect(explainMachine(rates, 'm3').find(({ name }) => name === 'base')).toEqual({
    name: 'base',
    value: '0',
    because: 'the record of these units is below the floor of base pay',
  });
  expect(explanationText(explainMachine(rates, 'm4'))).toBe(
    'pay $0.00 because the policy pays no emission for 1 of class T4',
  );
  expect(explainMachine(rates, 'm9')).toEqual([]);
});

test('a pot that is too small is named where it cut', () => {
  const poor = computeRates({ ...epoch, potMicroUsd: 4n * USD });
  const text = explanationText(explainMachine(poor, 'm1'));
  expect(text).toMatch(/\$5\.00 is owed, the pot went so far, the rest stays owed/);
  expect(text).toMatch(/of which the pot pays 0/);
});

test('a reserve follows the reference price by a hundredth an epoch, between half and twice its units', () => {
  const target = { reserveUnits: 100n, anchorMicroUsdPerHour: 2n * USD };
  const move = (from: bigint, price: bigint): bigint => moveReserve(from, target, price, 10_000n);
  expect(move(100n * PPM, 2n * USD)).toBe(100n * PPM);
  expect(move(100n * PPM, 3n * USD)).toBe(101n * PPM);
  expect(move(100n * PPM, 1n)).toBe(99n * PPM);
  expect(move(100n * PPM, 2_010_000n)).toBe(100_500_000n);
  expect(move(200n * PPM, 100n * USD)).toBe(200n * PPM);
  expect(move(50n * PPM, 1n)).toBe(50n * PPM);
});
