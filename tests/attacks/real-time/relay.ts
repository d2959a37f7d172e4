/** Challenges that are answered elsewhere: a pod's prover that only carries frames to a machine in another network namespace, and one that plays with probes. */
import { chainWorkUnits, deadlineMs, MAX_RTT_CREDIT_MS, proofParams } from '@celium/proof';
import type { AttackFamily, Tally } from '../family.ts';
import { playRealTime, type RealTimeAttack } from './attack.ts';
import { openNamespace, type Namespace } from './namespace.ts';
import { Stage } from './stage.ts';
import { openToPods } from './tools.ts';

const DELAYS_MS = [0.5, 2, 10, 50];
const FAR_PORT = 7_900;
const RELAYED = 'not claimed by timing; paid decoys and checks by renters see what a renter gets';

export const family: AttackFamily = {
  name: 'real-time-relay',
  run: 'real-time',
  inQuick: false,
  async play(setting) {
    const stage = await Stage.open();
    const place = await openNamespace();
    try {
      if ('refused' in place) {
        setting.notRun('challenge relayed to another machine', place.refused);
        return await playRealTime(setting, [pings(stage)]);
      }
      await stage.start('answering-machine', ['--host', place.address, '--port', String(FAR_PORT)], place.within);
      const relays: RealTimeAttack[] = [];
      for (const delayMs of DELAYS_MS) relays.push(await relay(stage, place, delayMs));
      return await playRealTime(setting, [pings(stage), ...relays]);
    } finally {
      await stage.close();
      if ('close' in place) await place.close();
    }
  },
};

/** The machine in the namespace does honest work; all that differs is where, and how far away that is. */
async function relay(stage: Stage, place: Namespace, delayMs: number): Promise<RealTimeAttack> {
  const folder = await stage.ground.tools.folder('forward', { delayMs });
  const socket = `${folder}/away.sock`;
  const inKernel = await place.shape(0);
  const held = inKernel ? '0' : String(delayMs);
  const far = ['--host', place.address, '--port', String(FAR_PORT)];
  await stage.start('relay', [...far, '--socket', socket, '--delay-ms', held]);
  await openToPods(socket);
  return {
    family: 'relay',
    attack: `the challenge is answered by another machine, ${delayMs} ms away`,
    claimed: false,
    inQuick: false,
    note: `${RELAYED}; the way there is delayed by ${inKernel ? 'the kernel' : 'the relaying program'}`,
    honest: () => stage.honestInTime(),
    attempt: async () => {
      if (inKernel) await place.shape(delayMs);
      return await stage.attemptWithInTime(folder, ['late', 'not-filled', 'no-probe-reply']);
    },
  };
}

/** Roots come a second after the last moment, and every probe as late as would make that moment later: but the credit ends at 300 ms. */
function pings(stage: Stage): RealTimeAttack {
  const params = proofParams('cpu-demo', 'onboarding');
  return {
    family: 'ping inflation',
    attack: 'probes answered 2 s late, roots 1 s after the deadline that a fast path would have',
    claimed: true,
    inQuick: false,
    note: `the network is credited with ${MAX_RTT_CREDIT_MS} ms at most, whatever the probes say`,
    honest: () => stage.honestInTime(),
    attempt: async (): Promise<Tally> => {
      const rate = await stage.declaredRate();
      const holdMs = Math.ceil(deadlineMs(chainWorkUnits(params), rate, 0)) + 1_000;
      return await stage.attemptInTime({ cheat: 'inflated-pings', settings: { pingMs: 2_000, holdMs } }, ['late']);
    },
  };
}
