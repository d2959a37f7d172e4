/** Machines that change after they passed: slowed down once they are verified, or with another prover in place of the one that was checked. */
import type { AttackFamily, Tally } from '../family.ts';
import { playRealTime, type RealTimeAttack } from './attack.ts';
import { honestTally, tallyOf } from './outcome.ts';
import { Stage, type Tools } from './stage.ts';

export const family: AttackFamily = {
  name: 'real-time-change',
  run: 'real-time',
  inQuick: false,
  async play(setting) {
    const stage = await Stage.open();
    try {
      setting.notRun(
        'validator detection: honest in leases of kind verification only',
        'no check of a verification lease can see it; decoys can, and they run against a market',
      );
      await playRealTime(setting, attacksOn(stage));
    } finally {
      await stage.close();
    }
  },
};

function attacksOn(stage: Stage): RealTimeAttack[] {
  /** The validator has met the machine, and it passed: what comes now is a routine check. */
  const afterPass = (memory: string, tools: Tools, expected: string[], inTime: boolean) => {
    const visit = async (prover: Tools): ReturnType<Stage['check']> =>
      await stage.check(prover, inTime ? await stage.declaredRate() : undefined, { memory });
    return {
      honest: async (): Promise<Tally> => honestTally((await visit({}))[0]!),
      attempt: async (): Promise<Tally> => {
        await visit({});
        return tallyOf((await visit(tools))[0]!, expected);
      },
    };
  };
  return [
    {
      family: 'slow after the check',
      attack: 'half the speed from the moment of the pass on',
      claimed: true,
      inQuick: false,
      note: 'caught by the next routine check; the time to it is the interval of checks',
      ...afterPass('slow', { cheat: 'slowed', settings: { restShare: 1 } }, ['late'], true),
    },
    {
      family: 'swap after the check',
      attack: 'another prover in the tools folder from the pass on',
      claimed: true,
      inQuick: false,
      note: 'caught by the next routine check, of 24 tiles: 20 % skipped pass 0.5 % of them',
      ...afterPass('swap', { cheat: 'skip-tiles' }, ['skipped-work'], false),
    },
  ];
}
