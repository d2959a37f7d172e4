/**
 * One device in several registrations that are challenged at one barrier. Caught is who does not keep a standing pass for every registration. The rows with repetitions
 * made alone show why a failure at a barrier may only be repeated at a barrier.
 */
import { runSteps, uniformSpeed } from './paced-device.ts';
import { failsAfterRetries } from './retries.ts';
import { type TimedAttack, type TimedSetting, timingFamily } from './timing-family.ts';

/** How the device's owner divides it: all at once, or one after the other. */
type Slicing = 'equal slices' | 'one first';

/** One barrier: which registrations fail. Memory is taken as if all fills had room, which 95 % twice have not: time alone has to tell. */
function barrier({ chain, random, isLate }: TimedSetting, slots: number, slicing: Slicing): boolean[] {
  return Array.from({ length: slots }, (_, slot) => {
    const stepMs = runSteps(chain, uniformSpeed(1), random);
    if (slicing === 'equal slices') return isLate({ stepMs: stepMs.map((ms) => ms * slots) });
    const before = stepMs.reduce((sum, ms) => sum + ms, 0) * slot;
    return isLate({ stepMs: stepMs.map((ms, step) => (step === 0 ? ms + before : ms)) });
  });
}

function shared(slots: number, slicing: Slicing): TimedAttack {
  return {
    attack: `${slots} registrations, ${slicing}, failures repeated at barriers`,
    targeted: true,
    rows: 'worst link',
    isCaught(setting) {
      // All registrations are in each barrier; each one's failures follow the rule of repetition.
      const rounds = Array.from({ length: 3 }, () => barrier(setting, slots, slicing));
      return Array.from({ length: slots }, (_, slot) => slot).some((slot) => {
        let round = 0;
        return failsAfterRetries(() => rounds[round++]![slot]!);
      });
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
      const alone = (): boolean => setting.isLate({ stepMs: runSteps(setting.chain, uniformSpeed(1), setting.random) });
      return barrier(setting, slots, slicing).some((failed) => {
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
  sharedButRetriedAlone(2, 'one first'),
]);
