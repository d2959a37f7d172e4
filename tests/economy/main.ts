/** `npm run economy -- [--json] [--quick]`: hosts, renters and attackers on the real engine, with the targets that rates have to keep. */
import { parseArgs } from 'node:util';
import {
  printFigures,
  reportFigures,
  roundFigure,
  type Figure,
  type FigureTarget,
  type NotRun,
} from '../../tools/figures.ts';
import { reliabilityByAge } from './ageing.ts';
import { tryAlphaPaths } from './alpha-paths.ts';
import { tryFalseStatements } from './false-statements.ts';
import { tryFeeds } from './feeds.ts';
import { tryPulses } from './pulses.ts';
import { tryStates } from './random-states.ts';
import { tryRecords } from './records.ts';
import { tryShapes } from './shapes.ts';
import { mean, median, playShock, type ShockFigures, type ShockSetting } from './shock.ts';
import { tryWashes, washOfRevenueShare, washOfWaitingHours } from './wash-figures.ts';

/** How much is played. */
interface Effort {
  seeds: number;
  delaysHours: readonly number[];
  states: number;
  pulses: number;
  shapes: number;
  feedRuns: number;
  alphaRuns: number;
}

const FULL: Effort = {
  seeds: 12,
  delaysHours: [2, 6, 24],
  states: 100_000,
  pulses: 20_000,
  shapes: 5_000,
  feedRuns: 40,
  alphaRuns: 400,
};
const QUICK: Effort = {
  seeds: 2,
  delaysHours: [6],
  states: 5_000,
  pulses: 500,
  shapes: 300,
  feedRuns: 6,
  alphaRuns: 30,
};
/** The delay that the targets are about. */
const TARGET_DELAY_HOURS = 6;

type Figures = Record<string, Figure>;
const figure = (value: number, unit: string, target: FigureTarget | null = null): Figure => ({
  value: roundFigure(value),
  unit,
  target,
});
const atMost = (most: number): FigureTarget => ({ atMost: most });
const atLeast = (least: number): FigureTarget => ({ atLeast: least });
const none: FigureTarget = { equals: 0 };

process.exitCode = main(process.argv.slice(2));

function main(args: string[]): number {
  const options = readOptions(args);
  if (options === null) {
    process.stderr.write('Usage: npm run economy -- [--quick] [--json]\n');
    return 2;
  }
  const effort = options.quick ? QUICK : FULL;
  const startedMs = performance.now();
  const progress = (line: string): void =>
    void process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);
  progress('pretended rentals');
  const wash = washFigures(options.quick);
  progress('alpha prices, pulses, shapes, feeds, records, statements');
  const attacks = { ...wash, ...attackFigures(effort) };
  progress('the demand shock');
  const shock = shockFigures(effort);
  progress(`${effort.states} random states`);
  const states = tryStates(effort.states);
  for (const line of states.first) progress(line);
  progress('done');
  const figures: Figures = {
    ...attacks,
    ...shock,
    randomStates: figure(states.tried, 'count'),
    randomStateViolations: figure(states.violations, 'count', none),
  };
  const notRun: NotRun[] = options.quick
    ? [
        { what: 'host delays of 2 and 24 hours, an alpha price path, twelve seeds', why: 'not part of a quick run' },
        {
          what: 'wash attacks on RTX4090 and H100, small pots, most steps of concentration',
          why: 'not part of a quick run',
        },
        { what: '100,000 random states', why: `a quick run tries ${effort.states}` },
      ]
    : [];
  return printFigures(reportFigures(figures, notRun), options.json, (text) => void process.stdout.write(text));
}

function readOptions(args: string[]): { json: boolean; quick: boolean } | null {
  try {
    const flag = { type: 'boolean', default: false } as const;
    return parseArgs({ args, options: { json: flag, quick: flag } }).values;
  } catch {
    return null;
  }
}

function washFigures(quick: boolean): Figures {
  const wash = tryWashes(quick);
  return {
    washAttacks: figure(wash.tried, 'count'),
    washGainByCost: figure(wash.strangersMarket, 'ratio', atMost(0.85)),
    washGainByCostOwnMarket: figure(wash.ownMarket, 'ratio', atMost(0.85)),
    washGainByCostColludingOperator: figure(wash.operatorColludes, 'ratio', atMost(0.85)),
    washGainByCostRisingPrice: figure(wash.risingPrice, 'ratio', atMost(0.85)),
    emissionBackForBurnedDollar: figure(wash.backForBurned, 'ratio', atMost(0.999)),
    // What this harness finds under other rules: below one it would be blind.
    controlRevenueShare60PercentOfH200: figure(washOfRevenueShare(0.6, 0.1), 'ratio', atLeast(1)),
    controlFilterOfUnitHoursRisingPrice: figure(washOfWaitingHours(), 'ratio'),
  };
}

function attackFigures(effort: Effort): Figures {
  const pulses = tryPulses(effort.pulses);
  const shapes = tryShapes(effort.shapes);
  const feeds = tryFeeds(effort.feedRuns);
  const records = tryRecords();
  const moved = tryFalseStatements();
  return {
    washGainByCostMovingAlpha: figure(tryAlphaPaths(effort.alphaRuns), 'ratio', atMost(0.85)),
    pulseAttacks: figure(pulses.tried, 'count'),
    pulseGain: figure(pulses.worstGain, 'ratio', atMost(1.01)),
    controlPulseGainOfStepLimit: figure(pulses.worstGainOfStepLimit, 'ratio', atLeast(1.01)),
    splitInto200Pay: figure(shapes.splitInto200, 'ratio', atMost(1)),
    withholdingPay: figure(shapes.withholding, 'ratio', atMost(1)),
    hoardingPoolOfLimit: figure(shapes.hoardingPool, 'ratio', atMost(1)),
    hoardingTenfoldPay: figure(shapes.hoardingPay, 'ratio'),
    feedEscapesOneLiar: figure(feeds.escapes, 'count', none),
    feedPayOneLiar: figure(feeds.payWithOneLiar, 'ratio'),
    feedDoublesAfterTwoLiars: figure(feeds.doublesAfterHours, 'hours', atLeast(30)),
    feedBaseOfPotTwoLiars: figure(feeds.baseOfPot, 'ratio', atMost(0.2)),
    feedLargestChangePerHour: figure(feeds.largestChangePerHour, 'ratio', atMost(0.020001)),
    selfRentalPay: figure(records.payAfterSelfRental, 'ratio', atMost(1)),
    selfRentalPublicScoreBefore: figure(records.publicScoreBefore, 'score'),
    selfRentalPublicScoreKnownCluster: figure(
      records.publicScoreAfterKnown,
      'score',
      atMost(records.publicScoreBefore),
    ),
    selfRentalPublicScoreHiddenCluster: figure(records.publicScoreAfter, 'score'),
    leaveAndReturnPay: figure(records.payAfterReturning, 'ratio', atMost(1)),
    leaveAndReturnAfter120DaysPay: figure(records.payAfterLongAbsence, 'ratio'),
    newKeyPay: figure(records.payUnderNewKey, 'ratio', atMost(1)),
    falseClassMoved: figure(moved.byAnotherClass, 'USD', none),
    falseHoursMoved: figure(moved.byHoursThatAreNot, 'USD', none),
    idleHoursMovedUntilGrantsAreCompared: figure(moved.byIdleHours, 'USD'),
  };
}

/** A fall of alpha to a quarter within three days around the shock, and back in ten. */
function fallOfAlpha(epoch: number): number {
  const day = epoch / 20;
  if (day < 18) return 1;
  if (day < 21) return 1 - (0.75 * (day - 18)) / 3;
  return Math.min(1, 0.25 + (0.75 * (day - 21)) / 10);
}

function shockFigures({ seeds, delaysHours }: Effort): Figures {
  const reliabilityByDay = reliabilityByAge();
  const playAll = (changes: Omit<ShockSetting, 'seed' | 'reliabilityByDay'>): ShockFigures[] =>
    Array.from({ length: seeds }, (_, seed) => playShock({ seed, reliabilityByDay, ...changes }));
  const figures: Figures = {};
  for (const hostDelayHours of delaysHours) {
    const runs = playAll({ hostDelayHours });
    const isTarget = hostDelayHours === TARGET_DELAY_HOURS;
    const name = (what: string): string => `${what}${hostDelayHours}hDelay`;
    figures[name('h200FilledAfter')] = figure(
      median(runs.map((run) => run.filledAfterHours)),
      'hours',
      isTarget ? atMost(12) : null,
    );
    figures[name('h200Fill72h')] = figure(
      mean(runs.map((run) => run.fill72h)),
      'ratio',
      isTarget ? atLeast(0.94) : null,
    );
    if (isTarget) Object.assign(figures, steadyFigures(runs));
  }
  // Beside it the same hosts without a cent of emission: what emission buys is units in stock.
  const without = playAll({ hostDelayHours: TARGET_DELAY_HOURS, policy: { baseCapPpm: 0n, kappaPpm: 0n } });
  figures['controlNoEmissionH200FilledAfter'] = figure(median(without.map((run) => run.filledAfterHours)), 'hours');
  figures['controlNoEmissionH200Fill72h'] = figure(mean(without.map((run) => run.fill72h)), 'ratio');
  figures['controlNoEmissionH200Before'] = figure(mean(without.map((run) => run.h200Before)), 'units');
  if (delaysHours.length > 1) {
    const runs = playAll({ hostDelayHours: TARGET_DELAY_HOURS, alphaPrice: fallOfAlpha });
    figures['alphaFallH200FilledAfter'] = figure(median(runs.map((run) => run.filledAfterHours)), 'hours', atMost(12));
    figures['alphaFallH200Fill72h'] = figure(mean(runs.map((run) => run.fill72h)), 'ratio', atLeast(0.94));
    figures['alphaFallBaseOfPot'] = figure(Math.max(...runs.map((run) => run.largestBaseOfPot)), 'ratio', atMost(0.2));
  }
  return figures;
}

function steadyFigures(runs: readonly ShockFigures[]): Figures {
  const average = (value: (run: ShockFigures) => number): number => mean(runs.map(value));
  const worst = runs.toSorted((a, b) => b.worstUnitPayVariation.variation - a.worstUnitPayVariation.variation)[0]!;
  return {
    h200SlowestFilled: figure(Math.max(...runs.map((run) => run.filledAfterHours)), 'hours'),
    payVariation: figure(
      average((run) => run.payVariation),
      'ratio',
      atMost(0.05),
    ),
    payVariationOfUnit: figure(
      average((run) => run.unitPayVariation),
      'ratio',
      atMost(0.05),
    ),
    payVariationOfUnitWorst: {
      ...figure(worst.worstUnitPayVariation.variation, `ratio, ${worst.worstUnitPayVariation.gpuClass} in one run`),
    },
    demandVariation: figure(
      average((run) => run.demandVariation),
      'ratio',
    ),
    largestPoolStep: figure(Math.max(...runs.map((run) => run.largestPoolStep)), 'ratio'),
    emissionPerDay: figure(
      average((run) => run.emissionUsdPerDayBefore),
      'USD',
    ),
    burnBefore: figure(
      average((run) => run.burnBefore),
      'ratio',
    ),
    burnAfter: figure(
      average((run) => run.burnAfter),
      'ratio',
    ),
    baseOfPot: figure(Math.max(...runs.map((run) => run.largestBaseOfPot)), 'ratio', atMost(0.2)),
    h200Before: figure(
      average((run) => run.h200Before),
      'units',
    ),
    h200After: figure(
      average((run) => run.h200After),
      'units',
    ),
    rtx4090Before: figure(
      average((run) => run.rtx4090Before),
      'units',
    ),
    rtx4090After: figure(
      average((run) => run.rtx4090After),
      'units',
    ),
    rtx4090SettledAfter: figure(median(runs.map((run) => run.rtx4090SettledHours)), 'hours'),
  };
}
