/** What the manifest is to say of this machine's GPUs: what NVIDIA's library calls each listed unit, and where that no longer fits. Nothing here is proof of anything. */
import type { ManifestMachine } from '@celium/contract';
import { isCpuUnit } from '@celium/domain';
import { plainWords } from '../inventory/host.ts';
import type { NvmlAnswer } from '../inventory/nvml/reading.ts';

type GpuClaim = NonNullable<ManifestMachine['gpus']>[number];

/** Name, memory and PCIe link of each of these units, in their order, as the library tells them; units that it does not know are left out. */
export function claimsOfGpus(units: readonly string[], answer: NvmlAnswer): GpuClaim[] {
  if ('absent' in answer) return [];
  const known = new Map(answer.reading.gpus.map((gpu) => [gpu.unit, gpu]));
  return units.flatMap((unit) => {
    const gpu = known.get(unit);
    if (gpu === undefined || !Number.isSafeInteger(gpu.memoryBytes) || gpu.memoryBytes < 1) return [];
    const { maxGeneration: generation, maxWidth: width } = gpu.pcie;
    return [
      {
        unit,
        model: plainWords(gpu.name),
        memoryBytes: gpu.memoryBytes,
        ...(isCount(generation) && isCount(width) ? { pcie: { generation, width } } : {}),
      },
    ];
  });
}

/**
 * Where a manifest and the hardware differ, in words. `driverUnits` are the GPUs that the driver shows. A library that does not answer says nothing of
 * cards that the driver still has.
 */
export function hardwareChanges(
  { units, gpus = [] }: Pick<ManifestMachine, 'units' | 'gpus'>,
  driverUnits: readonly string[],
  answer: NvmlAnswer,
): string[] {
  const listed = units.filter((unit) => !isCpuUnit(unit));
  const gone = listed.filter((unit) => !driverUnits.includes(unit)).map((unit) => `${unit} is listed and not there`);
  const added = driverUnits.filter((unit) => !units.includes(unit)).map((unit) => `${unit} is there and not listed`);
  const described = new Map(gpus.map((gpu) => [gpu.unit, gpu]));
  const changed = claimsOfGpus(listed, answer).flatMap(({ unit, model, memoryBytes }) => {
    const said = described.get(unit);
    if (said?.model === model && said.memoryBytes === memoryBytes) return [];
    return [
      `${unit} is ${model} with ${memoryBytes} bytes, the manifest says ${said === undefined ? 'nothing of it' : said.model}`,
    ];
  });
  return [...gone, ...added, ...changed];
}

function isCount(value: number | null): value is number {
  return value !== null && Number.isSafeInteger(value) && value > 0;
}
