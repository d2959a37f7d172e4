/** An operator who owns machines himself states honest renters' revenue, whose fee he burns anyway, as if it had been made on them. */
import { countDemand, type MarketStatement } from '@celium/domain';
import { CLASSES, EPOCH_MS, MICRO, microUsd } from './classes.ts';

/** Dollars of counted demand in an epoch that the operator moved to a class of their own. */
export interface FalseStatementFigures {
  /** By naming another class than the machine's. */
  byAnotherClass: number;
  /** By naming hours on machines that have no such hours left. */
  byHoursThatAreNot: number;
  /** By naming idle hours of their own machines: what only the agents' published grants show. */
  byIdleHours: number;
}

/** Plays each in a market that takes all of the RTX4090's revenue. */
export function tryFalseStatements(): FalseStatementFigures {
  const [rtx4090, h200] = ['RTX4090', 'H200'].map((name) => CLASSES.find(({ gpuClass }) => gpuClass === name)!);
  const revenue = microUsd(rtx4090!.demandUnits * rtx4090!.priceUsd * 1.2);
  const verified = [
    { machineKey: 'honest', gpuClass: 'RTX4090', units: BigInt(rtx4090!.demandUnits) },
    { machineKey: 'busy', gpuClass: 'H200', units: 8n },
    { machineKey: 'idle', gpuClass: 'H200', units: 8n },
  ];
  const countedFor = (machineKey: string, unitMs: bigint, before: MarketStatement[] = []): number => {
    const line = {
      rentalId: 'false',
      hotkey: 'operator',
      machineKey,
      gpuClass: 'H200',
      kind: 'paid' as const,
      unitMs,
      settledMicroUsd: revenue,
      refundedMicroUsd: 0n,
    };
    const statements = [...before, { market: 'own', root: 'z', lines: [line] }];
    const demand = countDemand({
      statements,
      burns: statements.map(({ root }) => ({
        blockHash: root,
        eventIndex: 0,
        statementRoot: root,
        microUsd: revenue,
        finalised: true,
      })),
      verified,
      periodMs: EPOCH_MS,
      referenceMicroUsdPerHour: new Map([['H200', microUsd(h200!.priceUsd)]]),
      policy: { feePpm: 100_000n, rentalShare: 'cash' },
    });
    const own = demand.lines.filter(({ rentalId }) => rentalId === 'false');
    return own.reduce((sum, each) => sum + Number(each.countedMicroUsd), 0) / MICRO;
  };
  const busyHours = 8n * EPOCH_MS;
  const real: MarketStatement = {
    market: 'other',
    root: 'a',
    lines: [
      {
        rentalId: 'real',
        hotkey: 'operator',
        machineKey: 'busy',
        gpuClass: 'H200',
        kind: 'paid',
        unitMs: busyHours,
        settledMicroUsd: microUsd(8 * h200!.priceUsd * 1.2),
        refundedMicroUsd: 0n,
      },
    ],
  };
  return {
    byAnotherClass: countedFor('honest', busyHours),
    byHoursThatAreNot: countedFor('busy', busyHours, [real]),
    byIdleHours: countedFor('idle', 1_000n * EPOCH_MS),
  };
}
