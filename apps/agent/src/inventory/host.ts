/** The host's processor, memory, disk and kernel, as the kernel tells them. */
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { join } from 'node:path';
import type { Inventory } from '@celium/contract';

/** What matters to a pod, or tells of a virtual machine. */
const FLAGS = new Set(
  'aes amx_int8 amx_tile avx avx2 avx512f avx512_vnni avx_vnni fma hypervisor lm rdrand sev sev_es sev_snp sha_ni sse4_2 svm tdx_guest vmx asimd asimddp i8mm sve sha2'.split(
    ' ',
  ),
);
const MAX_WORDS = 100;

/** Reads the host; `diskFolder` lies on the disk that pods use. */
export function readHost(diskFolder: string, procFolder = '/proc'): Inventory['host'] {
  const cpu = readFileSync(join(procFolder, 'cpuinfo'), 'utf8');
  const memory = readFileSync(join(procFolder, 'meminfo'), 'utf8');
  const disk = statfsSync(diskFolder);
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpu)?.[1] ?? '';
  return {
    cpuModel: plainWords(/^model name\s*:\s*(.*)$/m.exec(cpu)?.[1] ?? ''),
    cpuCores: availableParallelism(),
    cpuFlags: flags.split(/\s+/).filter((flag) => FLAGS.has(flag)),
    memoryBytes: kibibytesOf(memory, 'MemTotal'),
    memoryAvailableBytes: kibibytesOf(memory, 'MemAvailable'),
    diskBytes: disk.blocks * disk.bsize,
    diskFreeBytes: disk.bavail * disk.bsize,
    kernel: plainWords(release()),
  };
}

/** Printable ASCII, at most 100 characters: what a host names itself is shown to others. */
export function plainWords(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '?')
    .trim()
    .slice(0, MAX_WORDS);
}

function kibibytesOf(meminfo: string, name: string): number {
  const kibibytes = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(meminfo)?.[1];
  return Number(kibibytes ?? 0) * 1024;
}
