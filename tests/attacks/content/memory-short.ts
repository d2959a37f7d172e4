/**
 * Provers that hold less memory than they claim. The last cells are missing; in their place stand zeros or other cells, or only what a sweep reads of them is
 * invented while walks and products make each missing cell again (whether there is time for that is a question for the timing families).
 */
import { CELL_BYTES, CELLS_PER_LEAF, DIGEST_BYTES } from '@celium/proof';
import { byStrategy, contentFamily, type ContentAttack } from './content-family.ts';
import type { ResidentDevice } from './device.ts';
import type { Strategy } from './prover.ts';

/** The first byte that is missing. */
function firstMissing({ cells }: ResidentDevice, share: number): number {
  const count = cells.length / CELL_BYTES;
  return (count - Math.ceil(count * share)) * CELL_BYTES;
}

function zeros(share: number): Strategy {
  return { spoilMemory: (device) => void device.cells.fill(0, firstMissing(device, share)) };
}

/** Missing addresses lead to other cells, as if the memory were smaller and addressed modulo its size. */
function mirrored(share: number): Strategy {
  return {
    spoilMemory(device) {
      const from = firstMissing(device, share);
      device.cells.copyWithin(from, 0, Math.min(from, device.cells.length - from));
    },
  };
}

function inventsLeaves(share: number): Strategy {
  return {
    answer({ device, kind, q, random }) {
      const digests = device.digests(kind, q);
      if (kind !== 'sweep') return digests;
      const from = Math.floor(firstMissing(device, share) / (CELL_BYTES * CELLS_PER_LEAF));
      for (let at = from * DIGEST_BYTES; at < digests.length; at += DIGEST_BYTES)
        digests.set(random.bytes(DIGEST_BYTES), at);
      return digests;
    },
  };
}

const NOTE = 'the memory of micro parameters has 32 leaves, so a missing cell costs at least 3.1 % of the leaves';

const BY_TIME = 'on a CPU no deadline tells who makes missing cells again, so the leaves alone have to show it';

function short(what: string, share: number, make: (share: number) => Strategy): ContentAttack {
  const byTime = make === inventsLeaves;
  return byStrategy(`${share * 100} % short, ${what}`, share >= 0.05, () => make(share), byTime ? BY_TIME : NOTE);
}

export const { family, runTries } = contentFamily('memory-short', import.meta.url, [
  short('zeros instead', 0.01, zeros),
  short('zeros instead', 0.05, zeros),
  short('zeros instead', 0.2, zeros),
  short('other cells instead', 0.05, mirrored),
  short('makes cells again but for sweeps', 0.02, inventsLeaves),
  short('makes cells again but for sweeps', 0.05, inventsLeaves),
  short('makes cells again but for sweeps', 0.2, inventsLeaves),
]);
