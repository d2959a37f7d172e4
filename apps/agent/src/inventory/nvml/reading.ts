/** What one reading of NVML brings: plain data, as it goes from the reading process to the agent. */

/** A process on a GPU, by its number on the host. */
export interface GpuProcess {
  pid: number;
  memoryBytes: number | null;
}

/** One GPU. Figures are null where library, driver or device do not have them. */
export interface GpuReading {
  /** `GPU-...` in lower case. */
  unit: string;
  name: string;
  memoryBytes: number;
  memoryUsedBytes: number;
  mig: { enabled: boolean; instances: string[] } | null;
  pcie: Record<'generation' | 'maxGeneration' | 'width' | 'maxWidth', number | null>;
  clocks: Record<'smMhz' | 'maxSmMhz' | 'memoryMhz' | 'maxMemoryMhz', number | null>;
  power: Record<'limitMilliwatts' | 'defaultLimitMilliwatts', number | null>;
  temperatureC: number | null;
  throttle: string[];
  ecc: { corrected: number; uncorrected: number } | null;
  processes: GpuProcess[];
}

/** All GPUs of the host. */
export interface NvmlReading {
  driver: string;
  cuda: string;
  gpus: GpuReading[];
  /** Xid events since the last reading. */
  xids: Array<{ unit: string; code: number }>;
  /** Processes run under NVIDIA's multi-process server. */
  mpsProcesses: boolean;
}

/** An answer of the reading process: one line of JSON. */
export type NvmlAnswer = { reading: NvmlReading } | { absent: string };
