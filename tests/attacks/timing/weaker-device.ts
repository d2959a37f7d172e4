/** Devices that are slower than the class they claim: on all axes, or on one, with the time of the roots shifted so that each axis looks right. */
import { stepKind } from '@celium/proof';
import { runSteps, type Speeds, uniformSpeed } from './paced-device.ts';
import { type TimedAttack, timingFamily } from './timing-family.ts';

function atSpeed(speed: number): TimedAttack {
  const targeted = speed <= 0.85;
  return {
    attack: `all axes at ${speed}`,
    targeted,
    ...(targeted ? {} : { note: 'closer than the 15 % that are claimed: reported as it is' }),
    rows: 'each link',
    fails: ({ chain, random, isRefused }) => isRefused({ stepMs: runSteps(chain, uniformSpeed(speed), random) }),
  };
}

function onOneAxis(axis: string, speeds: Speeds): TimedAttack {
  return {
    attack: `${axis} at 0.7, the rest at 1`,
    targeted: false,
    note: 'the deadline adds up all axes; one axis alone is the business of the class, which is told from the figures',
    rows: 'worst link',
    fails: ({ chain, random, isRefused }) => isRefused({ stepMs: runSteps(chain, speeds, random) }),
  };
}

/** Whoever is quick on one axis and slow on another holds back the roots of the quick one: the sum stays, so only the sum can be judged. */
const SHIFTED: TimedAttack = {
  attack: 'products at 0.75 and memory at 1.5, sweep and walk roots held so that all axes look alike',
  targeted: false,
  note: 'holding roots moves time between axes and makes none: figures per axis are what the prover lets them be, within the deadline of the whole',
  rows: 'worst link',
  fails({ chain, random, isRefused }) {
    const stepMs = runSteps(chain, { sweep: 1.5, walk: 1.5, int8: 0.75, bf16: 0.75 }, random);
    const total = stepMs.reduce((sum, ms) => sum + ms, 0);
    const expected = chain.stepMs.reduce((sum, ms) => sum + ms, 0);
    let done = 0;
    let due = 0;
    // Each root is sent no earlier than a device with equal speed on all axes would send it.
    const holds = stepMs.map((ms, step) => {
      done += ms;
      due += (chain.stepMs[step]! * total) / expected;
      return stepKind(chain.params, step) === 'bf16' ? 0 : Math.max(0, due - done);
    });
    return isRefused({ stepMs, holdMs: (step) => holds[step]! });
  },
};

export const { family, runTries } = timingFamily('weaker-device', import.meta.url, [
  atSpeed(0.5),
  atSpeed(0.75),
  atSpeed(0.85),
  atSpeed(0.9),
  onOneAxis('memory', { sweep: 0.7, walk: 0.7, int8: 1, bf16: 1 }),
  onOneAxis('int8', { sweep: 1, walk: 1, int8: 0.7, bf16: 1 }),
  SHIFTED,
]);
