/** One prover behind several pods, and old answers behind new ones: colluders who share, two registrations of one host, replays, splices of two transcripts. */
import { addTallies, emptyTally, type AttackFamily, type Tally } from '../family.ts';
import { NO_GPU, playRealTime, type RealTimeAttack } from './attack.ts';
import { honestTally, tallyOf } from './outcome.ts';
import { Stage } from './stage.ts';
import { openToPods } from './tools.ts';

/** Both machines are challenged by one validator at the same time. */
const TOGETHER = { parallel: 2 };

export const family: AttackFamily = {
  name: 'real-time-sharing',
  run: 'real-time',
  inQuick: false,
  async play(setting) {
    const single = await Stage.open();
    try {
      await playRealTime(setting, await attacksOfOne(single, setting.quick));
      if (setting.quick) return;
      const pair = await Stage.open({}, {});
      try {
        setting.notRun('one GPU behind two registrations, two pods or MPS slices', NO_GPU);
        await playRealTime(setting, await attacksOfTwo(pair, single));
      } finally {
        await pair.close();
      }
    } finally {
      await single.close();
    }
  },
};

/** A tools folder whose prover hands everything to a program of the owner's in this mode. */
async function answeredBy(stage: Stage, mode: string): Promise<string> {
  const folder = await stage.ground.tools.folder('forward', { [mode]: 1 });
  const socket = `${folder}/away.sock`;
  await stage.start('answering-machine', ['--mode', mode, '--socket', socket]);
  await openToPods(socket);
  return folder;
}

async function attacksOfOne(stage: Stage, quick: boolean): Promise<RealTimeAttack[]> {
  /** Checks that pass are recorded at first, and are the honest ones of a quick run; from then on the recordings answer. */
  const recorded = (mode: string, sessions: number, expected: string[]): Pick<RealTimeAttack, 'attempt' | 'honest'> => {
    let folder = '';
    return {
      async honest() {
        if (folder !== '') return await stage.honest();
        folder = await answeredBy(stage, mode);
        let tally = emptyTally();
        for (let session = 0; session < sessions; session += 1) tally = addTallies(tally, await passed(stage, folder));
        return tally;
      },
      attempt: async () => tallyOf((await stage.checkWith(folder))[0]!, expected),
    };
  };
  const replay: RealTimeAttack = {
    family: 'replay',
    attack: 'the answers of a check that passed, given again',
    claimed: true,
    inQuick: true,
    note: 'the recorded check passed with a real receipt',
    ...recorded('replay', 1, ['wrong-seed']),
  };
  const splice: RealTimeAttack = {
    family: 'splice',
    attack: 'half of one transcript and half of another, both of checks that passed',
    claimed: true,
    inQuick: false,
    note: 'both recorded checks passed with real receipts',
    ...recorded('splice', 2, ['wrong-seed', 'bad-path']),
  };
  return quick ? [replay] : [replay, splice];
}

/** A check that has to pass, because its answers are wanted later. */
async function passed(stage: Stage, folder: string): Promise<Tally> {
  const [outcome] = await stage.checkWith(folder);
  if (outcome?.verdict !== 'pass') throw new Error(`the check to record did not pass: ${JSON.stringify(outcome)}`);
  return honestTally(outcome);
}

async function attacksOfTwo(pair: Stage, single: Stage): Promise<RealTimeAttack[]> {
  const shared = await answeredBy(pair, 'share');
  return [
    {
      family: 'answers shared',
      attack: 'two colluding machines answer with the work of one',
      claimed: true,
      inQuick: false,
      note: 'a try is caught when at least one of the two is refused; the one that worked is honest work',
      honest: () => single.honest(),
      attempt: async () => one(await pair.checkWith(shared, undefined, TOGETHER), ['wrong-seed']),
    },
    {
      family: 'shared device',
      attack: 'one host under two hotkeys, each declaring the whole of it',
      claimed: false,
      inQuick: false,
      note: 'a try is caught when at least one of the two is late; both declare 75 % of what the host does alone',
      honest: () => single.honestInTime(),
      attempt: async () =>
        one(await pair.check({}, Math.round((await single.pace()) * 0.75), TOGETHER), ['late', 'not-filled']),
    },
  ];
}

/** Two outcomes as one try: caught when one of them is. */
function one(outcomes: Parameters<typeof tallyOf>[0][], expected: readonly string[]): Tally {
  const tallies = outcomes.map((outcome) => tallyOf(outcome, expected));
  const caught = tallies.find((tally) => tally.detected > 0) ?? tallies[0]!;
  const add = (pick: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + pick(tally), 0);
  return {
    ...caught,
    validatorCpuSeconds: add((tally) => tally.validatorCpuSeconds),
    proofBytes: add((tally) => tally.proofBytes),
    units: add((tally) => tally.units),
  };
}
