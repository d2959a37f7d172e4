/** Machines that are not what is sold around their units: disks that are not there, ports that lead nowhere, another image, payloads that were never moved, a place on the other side of the earth. */
import type { PodCheat } from '../../../apps/prover/build.ts';
import { serveBaseImage } from '../../../apps/validator/src/testing/served-image.ts';
import type { AttackFamily, Tally } from '../family.ts';
import { playRealTime, type RealTimeAttack } from './attack.ts';
import { Ground } from './ground.ts';
import { LEAST_RATE, type Machine } from './machine.ts';
import { honestTallyOfParts, SurroundingsChecker, tallyOfParts } from './surroundings-check.ts';
import type { Template } from '../../../apps/validator/src/machine-check/template.ts';

const SYDNEY = { latitude: -33.87, longitude: 151.21 };

export const family: AttackFamily = {
  name: 'real-time-surroundings',
  run: 'real-time',
  inQuick: false,
  async play(setting) {
    const ground = await Ground.open();
    const served = await serveBaseImage(ground.folder).catch(async (fault: unknown) => {
      await ground.close();
      throw fault;
    });
    try {
      const machine = await ground.addMachine({ name: 'machine-0', declaredWorkPerSecond: LEAST_RATE });
      const abroad = await ground.addMachine({
        name: 'machine-1',
        declaredWorkPerSecond: LEAST_RATE,
        coordinates: SYDNEY,
      });
      const checker = new SurroundingsChecker(ground.validator, ground, ground.folder);
      await playRealTime(setting, attacksOn(ground, checker, machine, abroad, served.template));
    } finally {
      await served.close();
      await ground.close();
    }
  },
};

function attacksOn(
  ground: Ground,
  checker: SurroundingsChecker,
  machine: Machine,
  abroad: Machine,
  template: Template,
): RealTimeAttack[] {
  const look = async (on: Machine, cheat: PodCheat | undefined, image: Template | null) => {
    await on.useTools(await ground.tools.folder(cheat));
    return await checker.look(on, image);
  };
  const honest = async (): Promise<Tally> => honestTallyOfParts(await look(machine, undefined, null));
  const row = (family: string, attack: string, cheat: PodCheat, expected: string[], note: string): RealTimeAttack => ({
    family,
    attack,
    claimed: true,
    inQuick: false,
    note,
    honest,
    attempt: async () => tallyOfParts(await look(machine, cheat, null), expected),
  });
  return [
    row('fake storage', 'a sparse file: everything is written, zeros are read', 'sparse-file', ['DISK_WRONG_DATA'], ''),
    row(
      'fake storage',
      'a disk a fifth shorter than it says, which begins again at its start',
      'wrapped-disk',
      ['DISK_WRONG_DATA'],
      '64 reads: a fifth that is not there is missed once in 1.6 million checks',
    ),
    row(
      'fake storage',
      'nothing is stored; each block is made again when it is read',
      'no-disk',
      ['DISK_SLOW'],
      'exact answers, too late',
    ),
    row('fake storage', 'a slow tier, 40 ms a read', 'slow-disk', ['DISK_SLOW'], 'exact answers, too late'),
    row(
      'fake ports',
      'seven of eight published ports lead nowhere',
      'closed-ports',
      ['PORT_CLOSED'],
      'the engine takes the connections all the same',
    ),
    row('fake bandwidth', 'zeros in place of the payload', 'hollow-transfers', ['TRANSFER_FAILED'], ''),
    {
      family: 'fake image',
      attack: 'files of the right sizes with other bytes',
      claimed: true,
      inQuick: false,
      note: 'the template is deployed by its digest from a registry on loopback',
      honest: async () => honestTallyOfParts(await look(machine, undefined, template)),
      attempt: async () => tallyOfParts(await look(machine, 'swapped-image', template), ['IMAGE_WRONG_CONTENT']),
    },
    {
      family: 'fake location',
      attack: 'a place on the other side of the earth',
      claimed: true,
      inQuick: false,
      note: 'light cannot come back that fast',
      honest,
      attempt: async () => tallyOfParts(await look(abroad, undefined, null), ['LOCATION_CONTRADICTED']),
    },
    {
      family: 'fake location',
      attack: 'the same, with every echo 200 ms later',
      claimed: false,
      inQuick: false,
      note: 'not claimed: a machine may seem farther away than it is, never nearer',
      honest,
      attempt: async () => tallyOfParts(await look(abroad, 'late-echoes', null), ['LOCATION_CONTRADICTED']),
    },
  ];
}
