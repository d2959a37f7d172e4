/** Machines that are not who they say: somebody else on the pod's address, a stolen host key, and GPUs that exist in the manifest and in `nvidia-smi` only. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildProver } from '../../../apps/prover/build.ts';
import type { Program } from '../../process.ts';
import type { AttackFamily, Tally } from '../family.ts';
import { NO_GPU, playRealTime, type RealTimeAttack } from './attack.ts';
import { POD_PORTS, type MachineOptions } from './machine.ts';
import { openNamespace, type Namespace } from './namespace.ts';
import { Stage } from './stage.ts';

export const family: AttackFamily = {
  name: 'real-time-identity',
  run: 'real-time',
  inQuick: false,
  async play(setting) {
    const stages: Stage[] = [];
    const open: OpenStage = async (options) => {
      const stage = await Stage.open(options);
      stages.push(stage);
      return stage;
    };
    const place = await openNamespace();
    setting.notRun('hooked NVML on a host that has a weaker card', NO_GPU);
    setting.notRun('forged or expired attestation', 'this version verifies no attestation');
    try {
      if ('refused' in place) {
        const cpu = await open({});
        const claims = await claimsOfGpus(open, () => cpu.honest());
        setting.notRun(SUBSTITUTION, place.refused);
        return await playRealTime(setting, claims);
      }
      const middle = await attacksInTheMiddle(await open({ publicHost: place.address }), place);
      const claims = await claimsOfGpus(open, middle[0]!.honest);
      await playRealTime(setting, [...middle, ...claims]);
    } finally {
      for (const stage of stages.toReversed()) await stage.close();
      if ('close' in place) await place.close();
    }
  },
};

const SUBSTITUTION = 'host key substitution';

/** Opens a stage that ends with the family. */
type OpenStage = (options: Partial<MachineOptions>) => Promise<Stage>;

/** The manifest names an address in a namespace of its own; the pods are behind it. */
async function attacksInTheMiddle(stage: Stage, place: Namespace): Promise<RealTimeAttack[]> {
  const [machine] = stage.machines;
  const ports = ['--first-port', String(machine!.podPort), '--ports', String(POD_PORTS)];
  const where = ['--host', place.address, '--pods', place.host, ...ports];
  const prover = await buildProver(stage.path('outside'));
  let now: { how: string; program: Program } | null = null;
  /** One of them listens at a time. */
  const stand = async (how: string, args: string[]): Promise<void> => {
    if (now?.how === how) return;
    await now?.program.end();
    now = { how, program: await stage.start('impostor', [...where, ...args], place.within) };
  };
  const honest = async (): Promise<Tally> => {
    await stand('carries', []);
    return await stage.honest();
  };
  return [
    {
      family: SUBSTITUTION,
      attack: 'an SSH server with a key of its own on the address of the pod',
      claimed: true,
      inQuick: true,
      note: 'the honest machine beside it is behind a forwarder that holds no key',
      honest,
      attempt: async () => {
        await stand('own key', ['--own-key', '--prover', prover]);
        return await stage.attempt({}, ['HOST_KEY_MISMATCH']);
      },
    },
    {
      family: SUBSTITUTION,
      attack: "the host's owner copies the pod's own key and answers outside the pod",
      claimed: false,
      inQuick: false,
      note: 'not claimed: whoever owns the host can read the key; it is a relay within one host, and decoys see it',
      honest,
      attempt: async () => {
        await stand('stolen key', ['--stolen-key', machine!.stateDir, '--prover', prover]);
        return await stage.attempt({}, ['HOST_KEY_MISMATCH', 'SSH_UNREACHABLE']);
      },
    },
  ];
}

/** Two machines without a GPU whose manifests list one: one as it is, one behind an engine that its owner hooked. */
async function claimsOfGpus(open: OpenStage, honest: RealTimeAttack['honest']): Promise<RealTimeAttack[]> {
  const gpu = (): string => `GPU-${randomUUID()}`;
  const plain = await open({ units: [gpu()] });
  const fakes = plain.path('fakes');
  const shim = plain.path('engine.sock');
  await writeFakes(fakes);
  await plain.start('engine-shim', ['--listen', shim, '--fakes', fakes]);
  const hooked = await open({ units: [gpu()], dockerSocket: shim });
  const claim = { family: 'spoofed identity', claimed: true, inQuick: true, honest };
  return [
    {
      ...claim,
      attack: 'a manifest that lists a GPU which the host does not have',
      note: 'the engine finds no such device, so no pod starts',
      attempt: () => plain.attempt({ cheat: 'made-up' }, ['POD_START_FAILED']),
    },
    {
      ...claim,
      attack: 'the same with a hooked engine, a fake nvidia-smi and a prover that claims CUDA',
      note: 'the pod starts and shows an H200; what it answers is made up',
      attempt: () => hooked.attempt({ cheat: 'made-up' }, ['bad-path', 'wrong-seed', 'memory-refused', 'not-filled']),
    },
  ];
}

/** What a pod finds under `/usr/local/nvidia`: a program that says what its owner wants it to say. */
async function writeFakes(folder: string): Promise<void> {
  await mkdir(join(folder, 'bin'), { recursive: true });
  await mkdir(join(folder, 'lib'), { recursive: true });
  const smi = join(folder, 'bin', 'nvidia-smi');
  await writeFile(smi, '#!/bin/sh\necho "NVIDIA H200, 143771 MiB, 9.0, 580.65.06"\n');
  await chmod(smi, 0o755);
  await chmod(folder, 0o755);
}
