/** Devices that are honest when they are onboarded and slower afterwards: all the time, or whenever no announced check is running. */
import { runSteps, uniformSpeed } from './paced-device.ts';
import { failsAfterRetries } from './retries.ts';
import { type TimedAttack, timingFamily } from './timing-family.ts';

const DAYS_BY_DECOYS = 'found by decoys only: 5 days at 0.2 per machine and day when it always cheats';
/** Routine checks of half a day, one each 90 minutes in the middle. */
const CHECKS = 8;

function slowed(speed: number): TimedAttack {
  return {
    attack: `at ${speed} after onboarding, also in its ${CHECKS} routine checks of the next 12 hours`,
    targeted: speed <= 0.85,
    rows: 'worst link',
    isCaught({ chain, random, isRefused }) {
      const check = (): boolean => isRefused({ stepMs: runSteps(chain, uniformSpeed(speed), random) });
      return Array.from({ length: CHECKS }).some(() => failsAfterRetries(check));
    },
  };
}

const ONLY_WHEN_CHECKED: TimedAttack = {
  attack: `at 0.5 except in announced checks, ${CHECKS} of which come in 12 hours`,
  targeted: false,
  note: DAYS_BY_DECOYS,
  rows: 'worst link',
  isCaught({ chain, random, isRefused }) {
    const check = (): boolean => isRefused({ stepMs: runSteps(chain, uniformSpeed(1), random) });
    return Array.from({ length: CHECKS }).some(() => failsAfterRetries(check));
  },
};

const ATTACKS = [slowed(0.85), slowed(0.9), ONLY_WHEN_CHECKED];

export const { family, runTries } = timingFamily('slow-after-check', import.meta.url, ATTACKS, 'routine');
