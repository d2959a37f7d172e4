/** The real clock and the real randomness. The monotonic clock of Linux is shared by all processes of one boot. */
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Clock, Randomness } from './ports.ts';

/** The clock of this machine. */
export function systemClock(): Clock {
  const bootId = readBootId();
  return {
    now: () => Date.now(),
    moment: () => ({ bootId, atMs: Number(process.hrtime.bigint() / 1_000_000n) }),
    sleep: async (ms, signal) => {
      try {
        await sleepFor(ms, undefined, signal === undefined ? { ref: false } : { signal, ref: false });
      } catch {
        // The signal ends a sleep early; whoever sleeps looks at the signal itself.
      }
    },
  };
}

export const systemRandomness: Randomness = {
  uuid: () => randomUUID(),
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => randomBytes(4).readUInt32BE() / 2 ** 32,
};

/** Without a boot id (no Linux) each run of the program counts as a boot: its moments are not compared with older ones. */
function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return randomUUID();
  }
}
