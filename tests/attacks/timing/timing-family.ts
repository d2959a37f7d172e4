/** Makes a family out of timed cheats: tries on each link, honest devices on the same links, and a sample of runs repeated through the real challenge. */
import { classifyGpu } from '@celium/domain';
import { type Purpose, runOfClaim } from '@celium/proof';
import {
  type AttackFamily,
  type AttackRow,
  type AttackSetting,
  composeRow,
  emptyTally,
  type Tally,
} from '../family.ts';
import { type RandomStream, randomStream } from '../random.ts';
import type { RunTries } from '../threads.ts';
import { costOfProof } from './gpu-cost.ts';
import { type Link, LINKS } from './link.ts';
import { runSteps, type TimedChain, timedChain, uniformSpeed } from './paced-device.ts';
import { arithmeticRun, challengeRun, type PacedRun, type TimedVerdict } from './paced-run.ts';
import { failsAfterRetries } from './retries.ts';

/** Tries per attack and link. 5,000 of 5,000 caught put the lower Wilson bound at 99.92 %. */
const FULL_TRIES = 5_000;
const QUICK_TRIES = 200;
/** Honest devices get more: 0.1 % of them has to be told from nothing. */
const FULL_HONEST_TRIES = 20_000;
const QUICK_HONEST_TRIES = 400;
/** One run in this many is repeated through the real challenge, which has to agree. */
const REPEATED_EVERY = 2_500;

/** What an attack may use in one try. */
export interface TimedSetting {
  chain: TimedChain;
  link: Link;
  random: RandomStream;
  /** Plays one run and says whether the device does not get the class that it claims: too late, or in the time of a lesser card. */
  isRefused(run: Omit<PacedRun, 'chain' | 'link'>): boolean;
}

/** One attack of a timing family. */
export interface TimedAttack {
  attack: string;
  /** Whether 99.9 % per onboarding are asked of it, as the lower Wilson bound. */
  targeted: boolean;
  note?: string;
  /** A row for each link, or one for the link on which it is caught least. */
  rows: 'each link' | 'worst link';
  /** One challenge: whether it failed. */
  fails?(setting: TimedSetting): boolean;
  /** A whole try with repetitions of its own: whether it was caught. */
  isCaught?(setting: TimedSetting): boolean;
}

/** An honest device: the reference itself. */
const HONEST: TimedAttack = {
  attack: 'honest',
  targeted: false,
  rows: 'each link',
  fails: ({ chain, random, isRefused }) => isRefused({ stepMs: runSteps(chain, uniformSpeed(1), random) }),
};

const SEPARATOR = ' @ ';

/** The family and the trial function; a family's file exports both. */
export function timingFamily(
  name: string,
  moduleUrl: string,
  attacks: readonly TimedAttack[],
  purpose: Purpose = 'onboarding',
): { family: AttackFamily; runTries: RunTries } {
  const chains = new Map<Purpose, TimedChain>();
  const runTries: RunTries = async (slice) => {
    const [wanted, linkName] = slice.attack.split(SEPARATOR);
    const attack = [...attacks, HONEST].find((known) => known.attack === wanted);
    const link = LINKS.find((known) => known.name === linkName);
    if (wanted === 'cost') return costOfProof(timedChain(purpose).params);
    if (attack === undefined || link === undefined) throw new Error(`no attack ${slice.attack}`);
    const timed = purposeOn(link, purpose);
    const chain = chains.get(timed) ?? timedChain(timed);
    chains.set(timed, chain);
    return tallyTimed(attack, link, chain, slice);
  };

  async function play(setting: AttackSetting, attack: TimedAttack, link: Link): Promise<Tally> {
    const [quick, full] = attack === HONEST ? [QUICK_HONEST_TRIES, FULL_HONEST_TRIES] : [QUICK_TRIES, FULL_TRIES];
    const tries = setting.quick ? quick : full;
    return setting.threads.run(new URL(moduleUrl), attack.attack + SEPARATOR + link.name, tries, setting.seed);
  }

  const family: AttackFamily = {
    name,
    run: 'timing',
    inQuick: true,
    async play(setting) {
      const cost = await gpuCost(setting, purpose, moduleUrl);
      for (const attack of attacks) {
        const played: { row: AttackRow; rate: number; link: Link }[] = [];
        for (const link of LINKS) {
          const tally = { ...(await play(setting, attack, link)), ...cost };
          const honest = await beside(setting, `${purpose} ${link.name}`, () => play(setting, HONEST, link));
          const row = composeTimed(name, attack, link, setting.quick, tally, honest);
          played.push({ row, rate: row.rate, link });
        }
        setting.progress(`  ${attack.attack}: ${played.map(({ row }) => row.rate.toFixed(4)).join(', ')}`);
        const shown = attack.rows === 'each link' ? played.map(({ row }) => row) : [worstOf(played)];
        for (const row of shown) setting.row(row);
      }
    },
  };
  return { family, runTries };
}

/** On long or lossy paths a routine check takes a long chain: a short one cannot be timed there. */
function purposeOn({ rttMs, loss }: Link, purpose: Purpose): Purpose {
  return purpose === 'routine' && (rttMs >= 180 || loss >= 0.01) ? 'routine-long' : purpose;
}

function composeTimed(
  family: string,
  { attack, targeted, note = '' }: TimedAttack,
  link: Link,
  quick: boolean,
  tally: Tally,
  honest: Tally,
): AttackRow {
  const target = quick ? ({ of: 'rate', atLeast: 0.98 } as const) : ({ of: 'wilsonLow', atLeast: 0.999 } as const);
  const head = {
    family,
    attack: `${attack} (${link.name})`,
    run: 'timing',
    target: targeted ? target : null,
    honestTarget: { atMost: quick ? 0.005 : 0.001 },
    simulated: true,
    note,
  } as const;
  return composeRow(head, tally, honest);
}

function worstOf(played: readonly { row: AttackRow; rate: number; link: Link }[]): AttackRow {
  const worst = played.reduce((least, next) => (next.rate < least.rate ? next : least));
  const others = played.filter((other) => other !== worst);
  const told = others.map(({ rate, link }) => `${link.name}: ${(rate * 100).toFixed(2)} %`).join('; ');
  const { note } = worst.row;
  return { ...worst.row, note: `${note}${note === '' ? '' : '; '}${told}` };
}

async function tallyTimed(
  attack: TimedAttack,
  link: Link,
  chain: TimedChain,
  { from, to, seed }: { from: number; to: number; seed: number },
): Promise<Tally> {
  const tally = emptyTally();
  for (let number = from; number < to; number++) {
    const names = [attack.attack, link.name, seed, number] as const;
    let runs = 0;
    let first: { run: PacedRun; verdict: TimedVerdict } | null = null;
    const streams = (run: number) => ({
      up: randomStream('up', run, ...names),
      down: randomStream('down', run, ...names),
    });
    const setting: TimedSetting = {
      chain,
      link,
      random: randomStream('timing', ...names),
      isRefused(given) {
        const run = { ...given, chain, link };
        const verdict = arithmeticRun(run, streams((runs += 1)));
        first ??= { run, verdict };
        return verdict.late || verdict.class !== chain.claimedClass;
      },
    };
    const caught = attack.isCaught?.(setting) ?? failsAfterRetries(() => attack.fails?.(setting) ?? false);
    if (number % REPEATED_EVERY === 0 && first !== null) await repeatForReal(first, streams(1));
    tally.tries += 1;
    if (caught) tally.detected += 1;
    const reason = caught ? 'refused' : 'none';
    tally.reasons[reason] = (tally.reasons[reason] ?? 0) + 1;
  }
  return tally;
}

/** The first run of a try through `runChallenge`: the arithmetic must have said the same. */
async function repeatForReal(
  { run, verdict }: { run: PacedRun; verdict: TimedVerdict },
  streams: Parameters<typeof arithmeticRun>[1],
): Promise<void> {
  const claim = await challengeRun(run, streams, randomStream('bytes'));
  const borne = runOfClaim(claim);
  const found = borne === null ? '' : classifyGpu({ claimedModel: run.chain.claimedModel, ...borne });
  if ((claim.reason === 'late') !== verdict.late || (!verdict.late && found !== verdict.class))
    throw new Error(
      `the arithmetic says ${verdict.late ? 'late' : verdict.class}, the real challenge ${claim.reason}, ${found}: ${claim.detail}`,
    );
}

type Cost = Pick<Tally, 'units' | 'validatorCpuSeconds' | 'proofBytes'>;
const tallies = new WeakMap<AttackSetting, Map<string, Promise<Tally>>>();

/** The cost of a proof at full size, measured once per run of the suite. */
async function gpuCost(setting: AttackSetting, purpose: Purpose, moduleUrl: string): Promise<Cost> {
  const measure = (): Promise<Tally> => setting.threads.run(new URL(moduleUrl), 'cost', 1, setting.seed);
  const { units, validatorCpuSeconds, proofBytes } = await beside(setting, `cost ${purpose}`, measure);
  return { units, validatorCpuSeconds, proofBytes };
}

/** What several families show beside their attacks, played once per run of the suite. */
function beside(setting: AttackSetting, name: string, play: () => Promise<Tally>): Promise<Tally> {
  const known = tallies.get(setting) ?? new Map<string, Promise<Tally>>();
  tallies.set(setting, known);
  const playing = known.get(name) ?? play();
  known.set(name, playing);
  return playing;
}
