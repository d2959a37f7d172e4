/** Makes a family out of strategies: how many tries, which target, the honest machines beside them, and the trial function of the threads. */
import { type AttackFamily, composeRow, type DetectionTarget, type Tally } from '../family.ts';
import type { AttackSetting } from '../family.ts';
import type { RunTries } from '../threads.ts';
import type { Strategy } from './prover.ts';
import { type Foresight, tallyTries } from './trial.ts';

/** Tries per attack. */
const FULL_TRIES = 3_000;
const QUICK_TRIES = 60;

/** What a design target becomes: 99.9 % in a full run; in a quick one what 60 tries can tell from a broken detection. */
const ONBOARDING: DetectionTarget = { of: 'rate', atLeast: 0.999 };
const QUICK: DetectionTarget = { of: 'rate', atLeast: 0.95 };

/** One attack of a content family. */
export interface ContentAttack {
  attack: string;
  /** Whether the 99.9 % per onboarding are asked of it. */
  targeted: boolean;
  note?: string;
  /** The strategy for one chain. */
  make(foresight: Foresight): Strategy;
}

/** An attack by one strategy, made anew for every chain. */
export function byStrategy(
  attack: string,
  targeted: boolean,
  make: ContentAttack['make'],
  note?: string,
): ContentAttack {
  return { attack, targeted, make, ...(note === undefined ? {} : { note }) };
}

/** The family and the trial function; a family's file exports both. */
export function contentFamily(
  name: string,
  moduleUrl: string,
  attacks: readonly ContentAttack[],
): { family: AttackFamily; runTries: RunTries } {
  const runTries: RunTries = (slice) => {
    const attack = attacks.find((known) => known.attack === slice.attack);
    if (attack === undefined) throw new Error(`no attack ${slice.attack}`);
    return tallyTries(`${name}/${slice.attack}`, slice, attack.make);
  };
  const family: AttackFamily = {
    name,
    run: 'content',
    inQuick: true,
    async play(setting) {
      const { quick, seed, threads, progress } = setting;
      const honest = await honestBeside(setting);
      for (const { attack, targeted, note = '' } of attacks) {
        const tally = await threads.run(new URL(moduleUrl), attack, quick ? QUICK_TRIES : FULL_TRIES, seed);
        const target = targeted ? (quick ? QUICK : ONBOARDING) : null;
        const head = { family: name, attack, run: 'content', target, simulated: false, note } as const;
        setting.row(composeRow({ ...head, honestTarget: { atMost: 0 } }, tally, honest));
        progress(`  ${attack}: ${tally.detected} of ${tally.tries}`);
      }
    },
  };
  return { family, runTries };
}

const honestTallies = new WeakMap<AttackSetting, Promise<Tally>>();

/** Honest provers at the same sizes: tried once per run and shown beside every content row. */
export function honestBeside(setting: AttackSetting): Promise<Tally> {
  const known = honestTallies.get(setting);
  if (known !== undefined) return known;
  const tries = setting.quick ? QUICK_TRIES : FULL_TRIES;
  const playing = setting.threads.run(new URL('./honest.ts', import.meta.url), 'honest', tries, setting.seed);
  honestTallies.set(setting, playing);
  return playing;
}

/** Runs the honest prover. */
export const runHonestTries: RunTries = (slice) => tallyTries('honest', slice, () => ({}));
