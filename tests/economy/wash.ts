/** Pretended rentals: an attacker who owns part of a class rents from themselves, in a stranger's market, in their own, or with its operator, and hopes to be paid for the demand. */
import {
  computeRates,
  countDemand,
  owedRentalShares,
  type ClassInput,
  type FeeBurn,
  type IncentivePolicy,
  type MarketStatement,
  type StatementLine,
  type SupplyLine,
} from '@celium/domain';
import { CLASSES, EPOCH_HOURS, EPOCH_MS, microUsd, modelPolicy, MICRO } from './classes.ts';

/** What the owner of a market tries with the fee: burn it, or pretend to. */
export const BURNS = [
  'whole',
  'half',
  'none',
  'not finalised',
  'of another statement',
  'same burn twice',
  'statement twice',
] as const;
export type BurnTrick = (typeof BURNS)[number];

/** One attack. */
export interface Wash {
  gpuClass: string;
  /** The attacker's part of the class. */
  concentration: number;
  /** The part of the attacker's units that is rented to themselves. */
  rented: number;
  /** What is paid, as part of the reference price. */
  priceOfReference: number;
  /** Whose market it is: in a stranger's the fee is burned as it should, in one's own or with its operator the owner decides. */
  burn: BurnTrick;
  feePpm: bigint;
  rentalShare: IncentivePolicy['rentalShare'];
  potUsd: number;
  /** The reference price of each epoch, as part of the first; it moves by at most 2 % an hour. */
  priceAt?: (epoch: number) => number;
}

/** What an attack brought and cost, dollars. */
export interface WashResult {
  /** More emission than without the attack, rental share not counted. */
  gainUsd: number;
  /** What was burned and did not come back as rental share. Rent that the attacker could have had from others is left out, in the attacker's favour. */
  costUsd: number;
  /** Everything from emission for a dollar burned. */
  backForBurned: number;
}

/** A day of pretending, and the time until the last of it has flowed out of the reservoir. */
const ATTACK_EPOCHS = 20;
const TAIL_EPOCHS = 60;

/** Plays the same days with and without the attack, supply frozen: no entrant dilutes the gain. */
export function playWash(wash: Wash): WashResult {
  const honest = run(wash, false);
  const attacked = run(wash, true);
  const gain = attacked.emission - honest.emission;
  const share = attacked.share - honest.share;
  const burned = attacked.burned;
  const usd = (amount: bigint): number => Number(amount) / MICRO;
  return {
    gainUsd: usd(gain),
    costUsd: usd(burned - share),
    backForBurned: burned === 0n ? 0 : Number(gain + share) / Number(burned),
  };
}

/** Gain by cost. Less than a cent is rounding; something for nothing is infinite. */
export function gainByCost({ gainUsd, costUsd }: WashResult): number {
  if (gainUsd < 0.01) return Math.min(0, gainUsd);
  return costUsd <= 0 ? Number.POSITIVE_INFINITY : gainUsd / costUsd;
}

function run(wash: Wash, attacks: boolean): { emission: bigint; share: bigint; burned: bigint } {
  const policy = modelPolicy({ feePpm: wash.feePpm, rentalShare: wash.rentalShare });
  const supply = frozenSupply(wash);
  const own = supply.find(({ hotkey }) => hotkey === 'attacker')!;
  const reservoirs = new Map<string, bigint>();
  const total = { emission: 0n, share: 0n, burned: 0n };
  for (let epoch = 0; epoch < ATTACK_EPOCHS + TAIL_EPOCHS; epoch += 1) {
    const rise = wash.priceAt?.(epoch) ?? 1;
    const references = new Map(CLASSES.map(({ gpuClass, priceUsd }) => [gpuClass, microUsd(priceUsd * rise)]));
    const statements = [honestStatement(epoch, references)];
    const burns = [feeBurn(statements[0]!, policy, 0)];
    if (attacks && epoch < ATTACK_EPOCHS) {
      const tried = pretend(wash, own, epoch, references.get(wash.gpuClass)!, policy, statements[0]!.root);
      statements.push(...tried.statements);
      burns.push(...tried.burns);
      total.burned += tried.burned;
    }
    const demand = countDemand({
      statements,
      burns,
      verified: [...supply, ...HONEST_MACHINES],
      periodMs: EPOCH_MS,
      referenceMicroUsdPerHour: references,
      policy,
    });
    const classes = policy.classes.map(({ gpuClass, reserveUnits }): ClassInput => ({
      gpuClass,
      referenceMicroUsdPerHour: references.get(gpuClass)!,
      reserveUnitsPpm: reserveUnits * BigInt(MICRO),
      reservoirMicroUsd: reservoirs.get(gpuClass) ?? 0n,
      countedMicroUsd: demand.countedMicroUsd.get(gpuClass) ?? 0n,
      withdrawnMicroUsd: 0n,
    }));
    const rentalShares = owedRentalShares(demand.lines, policy);
    const potMicroUsd = microUsd(wash.potUsd);
    const rates = computeRates({ policy, epochMs: EPOCH_MS, potMicroUsd, classes, supply, rentalShares });
    for (const rate of rates.classes) reservoirs.set(rate.gpuClass, rate.reservoirMicroUsd);
    for (const line of rates.lines) if (line.hotkey === 'attacker') total.emission += line.totalMicroUsd;
    // What the pot cannot pay of a rental share stays owed: it comes, only later.
    for (const share of rates.rentalShares) if (share.hotkey === 'attacker') total.share += share.owedMicroUsd;
  }
  return total;
}

/** Half as many units again as there is demand, the attacker's among them. */
function frozenSupply({ gpuClass, concentration }: Wash): SupplyLine[] {
  return CLASSES.flatMap((model) => {
    const units = Math.round(model.demandUnits * 1.5);
    const theirs = model.gpuClass === gpuClass ? Math.max(1, Math.round(units * concentration)) : 0;
    const line = (hotkey: string, count: number): SupplyLine => ({
      hotkey,
      machineKey: `${hotkey} ${model.gpuClass}`,
      gpuClass: model.gpuClass,
      units: BigInt(count),
      reliabilityPpm: 1_000_000n,
      earnsBase: true,
    });
    return [line('attacker', theirs), line('others', units - theirs)].filter(({ units: count }) => count > 0n);
  });
}

function rentalLine(rentalId: string, hotkey: string, gpuClass: string, units: number, settled: bigint): StatementLine {
  return {
    rentalId,
    hotkey,
    machineKey: `${hotkey} ${gpuClass}`,
    gpuClass,
    kind: 'paid',
    unitMs: BigInt(Math.round(units * Number(EPOCH_MS))),
    settledMicroUsd: settled,
    refundedMicroUsd: 0n,
  };
}

/** Where honest renters are, whoever owns it: honest demand is there in every attack. */
const HONEST_MACHINES = CLASSES.map(({ gpuClass, demandUnits }) => ({
  machineKey: `honest ${gpuClass}`,
  gpuClass,
  units: BigInt(Math.ceil(demandUnits)),
}));

function honestStatement(epoch: number, references: ReadonlyMap<string, bigint>): MarketStatement {
  const lines = CLASSES.map(({ gpuClass, demandUnits }) => {
    const settled = (references.get(gpuClass)! * BigInt(Math.round(demandUnits * EPOCH_HOURS * 1_000))) / 1_000n;
    return rentalLine(`${gpuClass} ${epoch}`, 'honest', gpuClass, demandUnits, settled);
  });
  return { market: 'honest', root: `honest ${epoch}`, lines };
}

/** What has to be burned for a statement: the fee, or everything where emission pays the rental share. */
function required(statement: MarketStatement, policy: IncentivePolicy): bigint {
  const settled = statement.lines.reduce((sum, line) => sum + line.settledMicroUsd, 0n);
  const part = policy.rentalShare === 'emission' ? BigInt(MICRO) : policy.feePpm;
  return (settled * part + BigInt(MICRO) - 1n) / BigInt(MICRO);
}

function feeBurn(statement: MarketStatement, policy: IncentivePolicy, eventIndex: number): FeeBurn {
  return {
    blockHash: statement.root,
    eventIndex,
    statementRoot: statement.root,
    microUsd: required(statement, policy),
    finalised: true,
  };
}

function pretend(
  wash: Wash,
  own: SupplyLine,
  epoch: number,
  reference: bigint,
  policy: IncentivePolicy,
  foreignRoot: string,
) {
  const units = Number(own.units) * wash.rented;
  const settled = BigInt(Math.round(Number(reference) * units * EPOCH_HOURS * wash.priceOfReference));
  const statement = (root: string): MarketStatement => ({
    market: 'own',
    root,
    lines: [rentalLine(root, 'attacker', wash.gpuClass, units, settled)],
  });
  const one = statement(`own ${epoch}`);
  const burn = feeBurn(one, policy, 0);
  const half = { ...burn, microUsd: burn.microUsd / 2n };
  switch (wash.burn) {
    case 'whole':
      return { statements: [one], burns: [burn], burned: burn.microUsd };
    case 'half':
      return { statements: [one], burns: [half], burned: half.microUsd };
    case 'none':
      return { statements: [one], burns: [], burned: 0n };
    case 'not finalised':
      return { statements: [one], burns: [{ ...burn, finalised: false }], burned: 0n };
    case 'of another statement':
      return { statements: [{ ...one, root: foreignRoot }], burns: [], burned: 0n };
    case 'same burn twice':
      return { statements: [one], burns: [half, half], burned: half.microUsd };
    case 'statement twice':
      return { statements: [one, one], burns: [burn], burned: burn.microUsd };
  }
}
