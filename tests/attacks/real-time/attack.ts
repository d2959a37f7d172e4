/** How an attack in real time is played: some tries, and an honest machine beside them that is checked in the same minutes under the same terms. */
import {
  addTallies,
  composeRow,
  emptyTally,
  type AttackRow,
  type AttackSetting,
  type DetectionTarget,
  type Tally,
} from '../family.ts';

/** One attack of a family. */
export interface RealTimeAttack {
  family: string;
  attack: string;
  note: string;
  /**
   * Whether the design claims to catch it, every time; then a quick run fails where it is not. Otherwise it is reported as it is.
   */
  claimed: boolean;
  inQuick: boolean;
  /** One try. */
  attempt(): Promise<Tally>;
  /** One honest check in the same conditions; an honest machine that got no pass counts as detected. */
  honest(): Promise<Tally>;
}

/** Tries of a full run, as many as the design asks for. */
const FULL_TRIES = 20;
/** Tries for each honest check beside them. */
const TRIES_PER_HONEST = 10;
/** The environment may ask for another number, for whoever works on one of these. */
const ASKED_TRIES = Number(process.env['CELIUM_REAL_TIME_TRIES'] ?? FULL_TRIES);

/** Plays the attacks one after the other; nothing else runs beside a try. A quick run makes one try of each, and one honest check for all that share it. */
export async function playRealTime(setting: AttackSetting, attacks: readonly RealTimeAttack[]): Promise<void> {
  const known = new Map<RealTimeAttack['honest'], Tally>();
  for (const attack of attacks) {
    const { family, claimed } = attack;
    if (setting.quick && !attack.inQuick) {
      setting.notRun(`${family}, ${attack.attack}`, 'not part of a quick run');
      continue;
    }
    const tries = setting.quick ? 1 : ASKED_TRIES;
    let attacked = emptyTally();
    let honest = (setting.quick ? known.get(attack.honest) : undefined) ?? emptyTally();
    for (let i = 0; i < tries; i += 1) {
      setting.signal.throwIfAborted();
      const isDue = i % TRIES_PER_HONEST === 0 && !(setting.quick && honest.tries > 0);
      if (isDue) honest = addTallies(honest, await attack.honest());
      attacked = addTallies(attacked, await attack.attempt());
      const said = `${JSON.stringify(attacked.reasons)}, honest ${JSON.stringify(honest.reasons)}`;
      setting.progress(`  ${family}, ${attack.attack}: ${attacked.detected} of ${attacked.tries} ${said}`);
    }
    known.set(attack.honest, honest);
    setting.row(rowOf(attack, setting.quick && claimed, attacked, honest));
  }
}

/** The row: a target only where a quick run has to fail when a claim breaks. */
function rowOf({ family, attack, note }: RealTimeAttack, targeted: boolean, attacked: Tally, honest: Tally): AttackRow {
  const target: DetectionTarget | null = targeted ? { of: 'rate', atLeast: 1 } : null;
  return composeRow(
    { family, attack, run: 'real-time', target, honestTarget: null, simulated: false, note },
    attacked,
    honest,
  );
}

/** Why some rows need hardware that is not here. */
export const NO_GPU = 'this machine has no GPU';
