/** Finds NVIDIA GPUs by the files that the driver shows: no driver, no GPUs. Nothing here is proof of anything. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const DRIVER_FOLDER = '/proc/driver/nvidia/gpus';

/** UUIDs (`GPU-...`) of the GPUs that the NVIDIA driver has, sorted; empty where there is no driver. */
export async function detectNvidiaGpus(folder = DRIVER_FOLDER): Promise<string[]> {
  let devices: string[];
  try {
    devices = readdirSync(folder);
  } catch {
    return [];
  }
  const uuids = devices.map((device) => uuidOf(readFileSync(join(folder, device, 'information'), 'utf8')));
  return uuids.filter((uuid) => uuid !== null).sort();
}

function uuidOf(information: string): string | null {
  const digits = /^GPU UUID:\s*GPU-([0-9a-fA-F-]{8,64})\s*$/m.exec(information)?.[1];
  return digits === undefined ? null : `GPU-${digits.toLowerCase()}`;
}
