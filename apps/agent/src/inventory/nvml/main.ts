/** The reading process: `node main.ts LIBRARY`. Each line on stdin is answered by one line of JSON; it ends when stdin does. */
import { createInterface } from 'node:readline';
import { NvmlAbsent, openNvml, type Nvml } from './library.ts';
import { readDevices } from './read-devices.ts';
import type { NvmlAnswer } from './reading.ts';

const path = process.argv[2] ?? 'libnvidia-ml.so.1';
let nvml: Nvml | null = null;

for await (const _line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer())}\n`);
}

async function answer(): Promise<NvmlAnswer> {
  try {
    nvml ??= await openNvml(path);
    return { reading: readDevices(nvml) };
  } catch (fault) {
    return { absent: fault instanceof NvmlAbsent ? fault.message : `NVML could not be read: ${String(fault)}` };
  }
}
