/**
 * One device in several registrations that are challenged at one barrier. Caught is who does not keep a standing pass for every registration. The rows with repetitions
 * made alone show why a failure at a barrier may only be repeated at a barrier.
 */
import { failsAtBarriers, type BarrierReceipt } from '@celium/domain';
import { runSteps, uniformSpeed } from './paced-device.ts';
import { failsAfterRetries } from './retries.ts';
import { type TimedAttack, type TimedSetting, timingFamily } from './timing-family.ts';

/** How the device's owner divides it: all at once, one after the other in a fixed order, or first whoever failed at the barrier before. */
type Slicing = 'equal slices' | 'one first' | 'first who failed before';

/** One barrier: which registrations fail. Memory is taken as if all fills had room, which 95 % twice have not: time alone has to tell. */
function barrier({ chain, random, isRefused }: TimedSetting, order: readonly number[], slicing: Slicing): boolean[] {
  const fails: boolean[] = [];
  for (const [place, slot] of order.entries()) {
    const stepMs = runSteps(chain, uniformSpeed(1), random);
    const beforeMs = stepMs.reduce((sum, ms) => sum + ms, 0) * place;
    fails[slot] =
      slicing === 'equal slices'
        ? isRefused({ stepMs: stepMs.map((ms) => ms * order.length) })
        : isRefused({ stepMs: stepMs.map((ms, step) => (step === 0 ? ms + beforeMs : ms)) });
  }
  return fails;
}

/** Barriers until the rule is asked: from the third on it has to find somebody, whatever order the owner takes. */
const BARRIERS = 5;

function receiptOf(failed: boolean, round: number): BarrierReceipt {
  return { verdict: failed ? 'fail' : 'pass', endedAtMs: round };
}

function shared(slots: number, slicing: Slicing): TimedAttack {
  return {
    attack: `${slots} registrations, ${slicing}, judged by barriers`,
    targeted: true,
    rows: 'worst link',
    isCaught(setting) {
      // All registrations are in each barrier; the rule looks at the three newest.
      let order = Array.from({ length: slots }, (_, slot) => slot);
      const rounds: boolean[][] = [];
      for (let round = 0; round < BARRIERS; round++) {
        const fails = barrier(setting, order, slicing);
        rounds.push(fails);
        if (slicing === 'first who failed before') {
          order = order.toSorted((one, other) => Number(fails[other]) - Number(fails[one]));
        }
      }
      return order.some((slot) => failsAtBarriers(rounds.map((fails, round) => receiptOf(fails[slot]!, round))));
    },
  };
}

function sharedButRetriedAlone(slots: number, slicing: Slicing): TimedAttack {
  return {
    attack: `${slots} registrations, ${slicing}, failures repeated alone`,
    targeted: false,
    note: 'a repetition that is made alone finds the device free: until a barrier’s failure counts, sharing costs its owner ten minutes per barrier',
    rows: 'worst link',
    isCaught(setting) {
      const alone = (): boolean =>
        setting.isRefused({ stepMs: runSteps(setting.chain, uniformSpeed(1), setting.random) });
      const order = Array.from({ length: slots }, (_, slot) => slot);
      return barrier(setting, order, slicing).some((failed) => {
        let first = true;
        return failsAfterRetries(() => {
          if (!first) return alone();
          first = false;
          return failed;
        });
      });
    },
  };
}

export const { family, runTries } = timingFamily('shared-device', import.meta.url, [
  shared(2, 'equal slices'),
  shared(4, 'equal slices'),
  shared(2, 'one first'),
  shared(4, 'one first'),
  shared(2, 'first who failed before'),
  sharedButRetriedAlone(2, 'one first'),
]);
