/** Provers that do not do the work, in real pods over real SSH: tiles skipped, products repeated, operands unbound, answers for another seed, weak machines. */
import type { AttackFamily } from '../family.ts';
import { playRealTime, type RealTimeAttack } from './attack.ts';
import { Stage } from './stage.ts';

export const family: AttackFamily = {
  name: 'real-time-work',
  run: 'real-time',
  inQuick: false,
  async play(setting) {
    const stage = await Stage.open();
    try {
      await playRealTime(setting, attacksOn(stage));
    } finally {
      await stage.close();
    }
  },
};

function attacksOn(stage: Stage): RealTimeAttack[] {
  const content = { claimed: true, honest: () => stage.honest(), note: '' };
  return [
    {
      ...content,
      family: 'skipped work',
      attack: 'every fifth tile is noise',
      inQuick: true,
      attempt: () => stage.attempt({ cheat: 'skip-tiles' }, ['skipped-work']),
    },
    {
      ...content,
      family: 'structured operands',
      attack: 'one product stands for those of all rounds',
      inQuick: false,
      attempt: () => stage.attempt({ cheat: 'stale-products' }, ['skipped-work']),
    },
    {
      ...content,
      family: 'structured operands',
      attack: 'operands come from one cell and need no memory',
      inQuick: false,
      attempt: () => stage.attempt({ cheat: 'unbound-operands' }, ['skipped-work']),
    },
    {
      ...content,
      family: 'precomputation',
      attack: 'answers for a seed that was known before',
      inQuick: false,
      attempt: () => stage.attempt({ cheat: 'other-seed' }, ['wrong-seed']),
    },
    {
      family: 'weaker device',
      attack: 'a machine at half the speed that it declares by its better days',
      claimed: true,
      inQuick: false,
      note: 'declares 75 % of what the host does when honest, and works at 50 %',
      honest: () => stage.honestInTime(),
      attempt: () => stage.attemptInTime({ cheat: 'slowed', settings: { restShare: 1 } }, ['late']),
    },
  ];
}
