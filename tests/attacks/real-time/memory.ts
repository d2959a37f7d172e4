/** Provers that do not hold the memory: cells made again on every read, or kept on disk. Their answers are exact; only the deadline tells. */
import type { AttackFamily } from '../family.ts';
import { NO_GPU, playRealTime, type RealTimeAttack } from './attack.ts';
import { Stage } from './stage.ts';

export const family: AttackFamily = {
  name: 'real-time-memory',
  run: 'real-time',
  inQuick: false,
  async play(setting) {
    const stage = await Stage.open();
    try {
      setting.notRun('memory short, backed by host memory over PCIe or by a sibling card', NO_GPU);
      await playRealTime(setting, attacksOn(stage));
    } finally {
      await stage.close();
    }
  },
};

function attacksOn(stage: Stage): RealTimeAttack[] {
  const timed = { family: 'memory short', claimed: true, inQuick: false, honest: () => stage.honestInTime() };
  return [
    {
      ...timed,
      attack: 'holds none of the cells and makes each again when it is read',
      note: 'exact answers at about a seventh of the pace',
      attempt: () => stage.attemptInTime({ cheat: 'no-memory' }, ['late']),
    },
    {
      ...timed,
      attack: 'holds half of the cells, the rest on disk past the page cache',
      note: 'exact answers; walks wait for the disk at every second hop',
      attempt: () => stage.attemptInTime({ cheat: 'swapped-memory' }, ['late', 'not-filled']),
    },
  ];
}
