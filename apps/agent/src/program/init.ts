/** `init`: makes the machine's keys and prints what its manifest must say of it. Signs nothing: the hotkey stays with the CLI. */
import { chmodSync, mkdirSync } from 'node:fs';
import { signConsent, toHex } from '@celium/chain';
import { CeliumError, machineId as machineIdSchema, ss58 } from '@celium/contract';
import { isCpuUnit } from '@celium/domain';
import { detectNvidiaGpus } from '../host/gpus.ts';
import { listUnits, machineIdOfHostname, readHostFacts } from '../host/facts.ts';
import { claimsOfGpus } from '../host/gpu-claims.ts';
import { measureWorkPerSecond, proverProgram } from '../host/self-test.ts';
import { NVIDIA_PLACES, NvmlProcess } from '../inventory/nvml/nvml-process.ts';
import { openMachineKey } from '../identity/machine-key.ts';
import { openTlsIdentity } from '../identity/tls-key.ts';
import type { InitOptions } from './options.ts';
import type { Output } from './output.ts';
import { runStep } from '../engine/progress.ts';

/** Makes the state folder: others may pass through it to what is opened to them, but not list or read it. */
export function makeStateFolder(stateDir: string): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o711 });
  chmodSync(stateDir, 0o711);
}

/** Prints `{machineId, machineKey, consent?, tlsKeyHash, units, gpus?, host, declaredWorkPerSecond?}`. Keys that are there are kept. */
export async function init(options: InitOptions, output: Output): Promise<void> {
  makeStateFolder(options.stateDir);
  const machineId = options.machineId ?? machineIdOfHostname();
  if (!machineIdSchema.safeParse(machineId).success) {
    throw new CeliumError('USAGE', `--machine-id ${machineId}: 1 to 64 characters of a-z, 0-9 and -`);
  }
  const { hotkey } = options;
  if (hotkey !== undefined && !ss58.safeParse(hotkey).success)
    throw new CeliumError('USAGE', `--hotkey ${hotkey}: an SS58 address`);
  const key = openMachineKey(options.stateDir);
  const machineKey = toHex(key.publicKey);
  const consent =
    hotkey === undefined ? undefined : await signConsent(key, { hotkey, machineId, issuedAtMs: Date.now() });
  const tls = openTlsIdentity(options.stateDir, Date.now());
  const units = await listUnits(machineId, detectNvidiaGpus);
  const nvml = new NvmlProcess(NVIDIA_PLACES);
  const gpus = claimsOfGpus(units, await nvml.ask());
  nvml.close();
  const declared = units.some(isCpuUnit)
    ? await runStep(
        (step) => output.step(step),
        'measure this machine',
        () => measureWorkPerSecond(proverProgram(options.toolsDir)),
      )
    : undefined;
  const facts = {
    machineId,
    machineKey,
    ...(consent === undefined ? {} : { consent }),
    tlsKeyHash: tls.keyHash,
    units,
    ...(gpus.length === 0 ? {} : { gpus }),
    host: readHostFacts(options.stateDir),
    ...(declared === undefined ? {} : { declaredWorkPerSecond: declared }),
  };
  output.ready(facts, `machine ${machineId}: key ${machineKey}, ${units.length} unit(s): ${units.join(', ')}`);
}
