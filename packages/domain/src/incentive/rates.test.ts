/** The incentive engine: what holds for every state of the market, whoever owns how much of it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { smoothDemand } from './demand-filter.ts';
import { PPM } from './parts-per-million.ts';
import { LAUNCH_CONSTANTS, policyFault, slopePpm, type IncentivePolicy } from './policy.ts';
import { computeRates, type ClassInput, type EpochInput, type EpochRates, type SupplyLine } from './rates.ts';

const EPOCH_MS = 4_320_000n;
const USD = 1_000_000n;
const CLASSES = ['H200', 'RTX4090'];

const policyOf = (changes: Partial<IncentivePolicy> = {}): IncentivePolicy => ({
  ...LAUNCH_CONSTANTS,
  classes: CLASSES.map((gpuClass) => ({ gpuClass, reserveUnits: 100n, anchorMicroUsdPerHour: USD })),
  ...changes,
});
const input = (changes: Partial<EpochInput> = {}): EpochInput => ({
  policy: policyOf(),
  epochMs: EPOCH_MS,
  potMicroUsd: 1_500n * USD,
  classes: CLASSES.map((gpuClass) => classInput({ gpuClass })),
  supply: [],
  rentalShares: [],
  ...changes,
});
function classInput(changes: Partial<ClassInput> = {}): ClassInput {
  return {
    gpuClass: 'H200',
    referenceMicroUsdPerHour: 2n * USD,
    reserveUnitsPpm: 100n * PPM,
    reservoirMicroUsd: 0n,
    countedMicroUsd: 0n,
    withdrawnMicroUsd: 0n,
    ...changes,
  };
}
function supplyLine(changes: Partial<SupplyLine> = {}): SupplyLine {
  return {
    hotkey: 'one',
    machineKey: 'm1',
    gpuClass: 'H200',
    units: 8n,
    reliabilityPpm: PPM,
    earnsBase: true,
    ...changes,
  };
}
const payOf = (rates: EpochRates, hotkey: string): bigint =>
  rates.lines.filter((line) => line.hotkey === hotkey).reduce((total, line) => total + line.totalMicroUsd, 0n);

const units = fc.bigInt({ min: 0n, max: 500n });
const reliabilityPpm = fc.bigInt({ min: 0n, max: PPM });
const supplyArbitrary = fc.array(
  fc.record({
    hotkey: fc.constantFrom('one', 'two', 'three'),
    machineKey: fc.constantFrom('m1', 'm2', 'm3'),
    gpuClass: fc.constantFrom(...CLASSES, 'UNKNOWN'),
    units,
    reliabilityPpm: fc.oneof(fc.constant(PPM), reliabilityPpm),
    earnsBase: fc.boolean(),
  }),
  { maxLength: 8 },
);
const money = fc.bigInt({ min: 0n, max: 10_000n * USD });
const stateArbitrary = fc
  .record({
    supply: supplyArbitrary,
    feePpm: fc.bigInt({ min: 0n, max: 500_000n }),
    rentalShare: fc.constantFrom('cash', 'emission'),
    potMicroUsd: fc.oneof(money, fc.constant(0n)),
    classes: fc.tuple(
      ...CLASSES.map((gpuClass) =>
        fc.record({
          gpuClass: fc.constant(gpuClass),
          referenceMicroUsdPerHour: fc.bigInt({ min: 1n, max: 20n * USD }),
          reserveUnitsPpm: fc.bigInt({ min: 0n, max: 1_000n * PPM }),
          reservoirMicroUsd: fc.bigInt({ min: -1_000n * USD, max: 10_000n * USD }),
          countedMicroUsd: money,
          withdrawnMicroUsd: fc.oneof(fc.constant(0n), money),
        }),
      ),
    ),
    owedMicroUsd: money,
  })
  .map(({ supply, feePpm, rentalShare, potMicroUsd, classes, owedMicroUsd }): EpochInput => ({
    policy: policyOf({ feePpm, rentalShare: rentalShare as 'cash' | 'emission' }),
    epochMs: EPOCH_MS,
    potMicroUsd,
    classes,
    supply,
    rentalShares: [{ hotkey: 'one', machineKey: 'm1', owedMicroUsd }],
  }));
/** The first class with `counted` more of counted revenue. */
const withDemand = (state: EpochInput, more: bigint): EpochInput => ({
  ...state,
  classes: state.classes.map((own, i) => (i === 0 ? { ...own, countedMicroUsd: own.countedMicroUsd + more } : own)),
});

describe('in every state of the market', () => {
  test('what is paid and what burns is the pot, to the micro-dollar', () => {
    fc.assert(
      fc.property(stateArbitrary, (state) => {
        const rates = computeRates(state);
        const paid = rates.lines.reduce((total, line) => total + line.totalMicroUsd, 0n);
        expect(paid + rates.rentalShareMicroUsd + rates.burnMicroUsd).toBe(state.potMicroUsd);
        expect(rates.burnMicroUsd >= 0n && rates.lines.every((line) => line.totalMicroUsd >= 0n)).toBe(true);
        for (const share of rates.rentalShares) expect(share.paidMicroUsd <= share.owedMicroUsd).toBe(true);
      }),
    );
  });

  test('base pay is at most a fifth of the pot', () => {
    fc.assert(
      fc.property(stateArbitrary, (state) => {
        const rates = computeRates(state);
        expect(rates.baseMicroUsd * 5n <= state.potMicroUsd).toBe(true);
      }),
    );
  });

  test('a class is paid at most its reserve and its smoothed demand, however many units idle in it', () => {
    fc.assert(
      fc.property(stateArbitrary, (state) => {
        const rates = computeRates(state);
        for (const rate of rates.classes) {
          const lines = rates.lines.filter((line) => line.gpuClass === rate.gpuClass);
          const base = lines.reduce((total, line) => total + line.baseMicroUsd, 0n);
          const demand = lines.reduce((total, line) => total + line.demandMicroUsd, 0n);
          const { baseOfPricePpm } = state.policy;
          const reserve = rate.referenceMicroUsdPerHour * EPOCH_MS * rate.reserveUnitsPpm * baseOfPricePpm;
          expect(base * 3_600_000n * PPM * PPM <= reserve).toBe(true);
          expect(demand * PPM <= rate.smoothedMicroUsd * slopePpm(state.policy)).toBe(true);
        }
      }),
    );
  });

  test('a machine that splits into many hotkeys and machines earns nothing by it', () => {
    fc.assert(
      fc.property(stateArbitrary, fc.bigInt({ min: 1n, max: 200n }), reliabilityPpm, (state, count, reliability) => {
        const whole = supplyLine({ hotkey: 'splitter', units: count, reliabilityPpm: reliability });
        const parts = Array.from({ length: Number(count) }, (_, i) =>
          supplyLine({ hotkey: 'splitter', machineKey: `part-${i}`, units: 1n, reliabilityPpm: reliability }),
        );
        const before = payOf(computeRates({ ...state, supply: [...state.supply, whole] }), 'splitter');
        const after = payOf(computeRates({ ...state, supply: [...state.supply, ...parts] }), 'splitter');
        expect(after <= before).toBe(true);
        // Each part is rounded down by itself, twice for each of base and demand when the pot is too small.
        expect(before - after <= 4n * count + 4n).toBe(true);
      }),
    );
  });

  test('hiding some of equally reliable units never raises the pay of who hides them', () => {
    fc.assert(
      fc.property(stateArbitrary, units, units, reliabilityPpm, (state, shown, hidden, reliability) => {
        const own = (count: bigint): SupplyLine =>
          supplyLine({ hotkey: 'hider', units: count, reliabilityPpm: reliability });
        // The pot suffices: a pot that is too small is shared out, and then others' parts move as well.
        const rich = { ...state, potMicroUsd: state.potMicroUsd + 100_000n * USD };
        const all = payOf(computeRates({ ...rich, supply: [...rich.supply, own(shown + hidden)] }), 'hider');
        const less = payOf(computeRates({ ...rich, supply: [...rich.supply, own(shown)] }), 'hider');
        expect(less <= all + 4n).toBe(true);
      }),
    );
  });

  test('a less reliable unit is never paid more, and takes nothing of the demand part to its neighbours', () => {
    fc.assert(
      fc.property(stateArbitrary, reliabilityPpm, reliabilityPpm, (state, a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const withUnit = (reliability: bigint): EpochRates =>
          computeRates({
            ...state,
            potMicroUsd: state.potMicroUsd + 100_000n * USD,
            supply: [...state.supply, supplyLine({ hotkey: 'other', reliabilityPpm: reliability })],
          });
        const [worse, better] = [withUnit(low), withUnit(high)];
        expect(payOf(worse, 'other') <= payOf(better, 'other') + 4n).toBe(true);
        const demandOfOthers = (rates: EpochRates): bigint[] =>
          rates.lines.filter(({ hotkey }) => hotkey !== 'other').map((line) => line.demandMicroUsd);
        expect(demandOfOthers(worse)).toEqual(demandOfOthers(better));
      }),
    );
  });
});

describe('pretended rentals', () => {
  test('never bring back more than kappa of the fee that was burned for them, at any concentration', () => {
    fc.assert(
      fc.property(stateArbitrary, fc.bigInt({ min: 1n, max: 1_000n * USD }), (state, fake) => {
        // All units of all classes belong to the attacker, and one epoch's flow is followed until the reservoir is dry.
        const supply = state.supply.map((line) => ({ ...line, hotkey: 'attacker' }));
        const earn = (start: EpochInput): bigint => {
          let now = { ...start, supply, rentalShares: [] };
          let total = 0n;
          for (let epoch = 0; epoch < 60; epoch += 1) {
            const rates = computeRates(now);
            total += payOf(rates, 'attacker');
            const classes = rates.classes.map((rate, i): ClassInput => ({
              ...now.classes[i]!,
              reservoirMicroUsd: rate.reservoirMicroUsd,
              countedMicroUsd: 0n,
              withdrawnMicroUsd: 0n,
            }));
            now = { ...now, classes };
          }
          return total;
        };
        const gain = earn(withDemand(state, fake)) - earn(state);
        const slack = 60n * BigInt(supply.length + 2) * 2n;
        expect(gain * PPM <= fake * slopePpm(state.policy) + slack * PPM).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('gain nothing by their timing: over any time no more flows out of a reservoir than flowed in', () => {
    const inflow = fc.array(fc.record({ counted: money, withdrawn: fc.oneof(fc.constant(0n), money) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(inflow, fc.bigInt({ min: 1n, max: 64n }), (epochs, divisor) => {
        let reservoir = 0n;
        let [inTotal, outTotal] = [0n, 0n];
        for (const { counted, withdrawn } of epochs) {
          const smoothed = smoothDemand(reservoir, counted, withdrawn, divisor);
          reservoir = smoothed.reservoirMicroUsd;
          inTotal += counted - withdrawn;
          outTotal += smoothed.smoothedMicroUsd;
          expect(outTotal + reservoir).toBe(inTotal);
        }
      }),
    );
  });

  test('refunded later, they are taken out of what comes next', () => {
    const paid = smoothDemand(0n, 400n, 0n, 4n);
    expect(paid).toMatchObject({ smoothedMicroUsd: 100n, reservoirMicroUsd: 300n });
    const refunded = smoothDemand(paid.reservoirMicroUsd, 0n, 400n, 4n);
    expect(refunded).toMatchObject({ smoothedMicroUsd: 0n, reservoirMicroUsd: -100n });
    expect(smoothDemand(refunded.reservoirMicroUsd, 100n, 0n, 4n)).toMatchObject({
      smoothedMicroUsd: 0n,
      reservoirMicroUsd: 0n,
    });
  });
});

describe('by the constants at launch', () => {
  test('a rented dollar releases eight cents', () => {
    expect(slopePpm(LAUNCH_CONSTANTS)).toBe(80_000n);
    expect(slopePpm({ ...LAUNCH_CONSTANTS, feePpm: 300_000n })).toBe(240_000n);
  });

  test('an idle unit within the reserve has 35 % of its price, or less where a fifth of the pot would not pay that for all', () => {
    const one = input({ supply: [supplyLine({ units: 1n })] });
    // 1.2 hours at 2 dollars, 35 % of it.
    expect(payOf(computeRates(one), 'one')).toBe(840_000n);
    // All reserves: 200 units x 2 dollars x 1.2 h = 480 dollars; a fifth of 480 dollars pays 20 % of the price.
    expect(payOf(computeRates({ ...one, potMicroUsd: 480n * USD }), 'one')).toBe(480_000n);
  });

  test('half the response of a change of demand has come after two and a half epochs', () => {
    let reservoir = 0n;
    const out: bigint[] = [];
    for (let epoch = 0; epoch < 40; epoch += 1) {
      const smoothed = smoothDemand(reservoir, 1_000_000n, 0n, LAUNCH_CONSTANTS.filterDivisor);
      reservoir = smoothed.reservoirMicroUsd;
      out.push(smoothed.smoothedMicroUsd);
    }
    expect(out.slice(0, 3)).toEqual([250_000n, 437_500n, 578_125n]);
    expect(out.at(-1)! > 999_980n).toBe(true);
  });

  test('a unit never earns more than base and slope of its price, even when it is the last of its class', () => {
    const alone = input({
      classes: [classInput({ reservoirMicroUsd: 1_000_000n * USD })],
      supply: [supplyLine({ units: 1n })],
    });
    // 2.40 dollars in an epoch: 35 % and 8 % of it.
    expect(payOf(computeRates({ ...alone, potMicroUsd: 1_000_000n * USD }), 'one')).toBe(1_032_000n);
  });

  test('units of a class that the policy does not name earn nothing', () => {
    const rates = computeRates(input({ supply: [supplyLine({ gpuClass: 'T4' })] }));
    expect(rates.burnMicroUsd).toBe(rates.potMicroUsd);
  });
});

test('where the pot cannot pay everything, base comes first, rental shares stay owed, demand is cut evenly', () => {
  const rates = computeRates({
    ...input({ policy: policyOf({ rentalShare: 'emission' }), potMicroUsd: 100n * USD }),
    classes: [classInput({ reservoirMicroUsd: 1_000_000n * USD })],
    supply: [supplyLine({ units: 400n })],
    rentalShares: [{ hotkey: 'one', machineKey: 'm1', owedMicroUsd: 60n * USD }],
  });
  expect(rates.baseMicroUsd <= 20n * USD).toBe(true);
  expect(rates.rentalShareMicroUsd).toBe(60n * USD);
  expect(rates.demandPaidPpm < PPM).toBe(true);
  expect(rates.burnMicroUsd < 5n).toBe(true);
});

test.each([
  ['base above a fifth of the pot', { baseCapPpm: 200_001n }],
  ['a slope that could pay for pretended rentals', { kappaPpm: 850_001n }],
  ['fewer than three feeds', { minimumFeeds: 2 }],
  ['prices that jump', { priceChangePpmPerHour: 20_001n }],
  ['no filter', { filterDivisor: 0n }],
  ['a negative fee', { feePpm: -1n }],
  ['a class twice', { classes: [policyOf().classes[0]!, policyOf().classes[0]!] }],
  ['a class without a price', { classes: [{ gpuClass: 'H200', reserveUnits: 1n, anchorMicroUsdPerHour: 0n }] }],
])('a policy with %s is refused, whoever signed it', (_what, changes) => {
  expect(policyFault(policyOf(changes))).not.toBeNull();
  expect(policyFault(policyOf())).toBeNull();
});
