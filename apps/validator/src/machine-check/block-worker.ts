/** The thread behind the block audit: makes the blocks that were read and compares digests. */

import { parentPort, workerData } from 'node:worker_threads';
import { createBlockMaker, DISK_BLOCK_BYTES, DISK_BLOCKS_AT_ONCE, diskHopDigest, nextDiskBlock } from '@celium/proof';

/** Walks as they were answered. */
export interface BlockReads {
  key: Uint8Array;
  blocks: number;
  passes: number;
  walks: Array<{ nonce: Uint8Array; digests: Uint8Array[] }>;
}

/** The number of wrong answers of each walk. Every answer is checked against the block that the answer before it chose, so each stands alone. */
export function countWrong({ key, blocks, passes, walks }: BlockReads): number[] {
  const make = createBlockMaker();
  const wrong = walks.map(() => 0);
  const reads = walks.flatMap(({ nonce, digests }, walk) =>
    digests.map((digest, hop) => ({
      walk,
      hop,
      digest,
      block: nextDiskBlock(nonce, digests[hop - 1] ?? null, blocks),
    })),
  );
  for (let at = 0; at < reads.length; at += DISK_BLOCKS_AT_ONCE) {
    const four = reads.slice(at, at + DISK_BLOCKS_AT_ONCE);
    const made = make(
      key,
      four.map((read) => read.block),
      passes,
    );
    for (const [lane, { walk, hop, digest }] of four.entries()) {
      const block = made.subarray(lane * DISK_BLOCK_BYTES, (lane + 1) * DISK_BLOCK_BYTES);
      const expected = diskHopDigest(walks[walk]?.nonce ?? new Uint8Array(), hop, block);
      if (Buffer.compare(expected, digest) !== 0) wrong[walk] = (wrong[walk] ?? 0) + 1;
    }
  }
  return wrong;
}

if (parentPort !== null && isReads(workerData)) {
  const before = process.threadCpuUsage();
  const wrong = countWrong(workerData);
  const used = process.threadCpuUsage(before);
  parentPort.postMessage({ wrong, cpuSeconds: (used.user + used.system) / 1e6 });
}

/** Tests run in threads too, without reads. */
function isReads(data: unknown): data is BlockReads {
  return typeof data === 'object' && data !== null && 'walks' in data;
}
