/** Where everything lies in the memory that the CPU device's worker threads share. */
import {
  answerCount,
  CELL_BYTES,
  type ChallengeSizes,
  DIGEST_BYTES,
  LEAF_BYTES,
  PANEL_BYTES,
  PANEL_DEPTH,
  segmentsPerRow,
  TILE_SIZE,
} from '@celium/proof';
import { DeviceRefusal } from '../device.ts';

/** Byte offsets into the shared memory and the counts that follow from the sizes. */
export interface CpuLayout {
  /** The next free piece of the task at hand, taken with `Atomics.add`. */
  taskCounter: number;
  seed: number;
  /** The chain value, four times, as the walk kernel wants it. */
  keys: number;
  digests: number;
  digestBytes: number;
  panels: number;
  cells: number;
  /** Row blocks of A, then of B; each has `chunks` panels. */
  rowBlocks: number;
  chunks: number;
  panelDepth: number;
  segmentsPerRow: number;
  threads: ThreadLayout[];
  totalBytes: number;
}

/** The work areas of one worker thread. */
export interface ThreadLayout {
  scratch: number;
  numbers: number;
  counters: number;
  cells: number;
  sums: number;
  words: number;
}

/** WASM memory ends at 4 GiB; some room is left so that offsets stay clear of the end. */
const MAX_BYTES = 4 * 1024 ** 3 - 16 * 1024 ** 2;

/** Lays out the memory. Throws a DeviceRefusal for sizes that this device does not take. */
export function layOutMemory(sizes: ChallengeSizes, threads: number): CpuLayout {
  const { memoryLeaves, productSize, productDepth, segmentBytes, walkers } = sizes;
  const wholeSegments = segmentBytes >= 256 && segmentBytes % 256 === 0 && productDepth % segmentBytes === 0;
  const panelDepth = Math.min(PANEL_DEPTH, productDepth);
  const fits = productDepth % panelDepth === 0 && (segmentBytes % panelDepth === 0 || panelDepth % segmentBytes === 0);
  if (productSize === 0 || productSize % 256 !== 0 || productDepth === 0 || productDepth > 65536) {
    throw new DeviceRefusal('refused-challenge', 'the product has a size that is not allowed');
  }
  if (!wholeSegments || !fits || walkers === 0 || walkers % 8 !== 0 || memoryLeaves === 0 || memoryLeaves % 8 !== 0) {
    throw new DeviceRefusal('refused-challenge', 'segments, walkers or leaves have a size that is not allowed');
  }
  let end = 0;
  const take = (bytes: number): number => {
    const at = end;
    end += Math.ceil(bytes / 64) * 64;
    return at;
  };
  const perRow = segmentsPerRow(sizes);
  const rowBlocks = (2 * productSize) / TILE_SIZE;
  const chunks = productDepth / panelDepth;
  const kinds = ['sweep', 'walk', 'int8'] as const;
  const digestBytes = Math.max(...kinds.map((kind) => answerCount(sizes, kind))) * DIGEST_BYTES;
  const layout: CpuLayout = {
    taskCounter: take(64),
    seed: take(32),
    keys: take(128),
    digests: take(digestBytes),
    digestBytes,
    panels: take(rowBlocks * chunks * PANEL_BYTES),
    cells: take(memoryLeaves * LEAF_BYTES),
    rowBlocks,
    chunks,
    panelDepth,
    segmentsPerRow: perRow,
    threads: Array.from({ length: threads }, () => ({
      scratch: take(1024),
      numbers: take(16),
      counters: take(TILE_SIZE * perRow * 8),
      cells: take(TILE_SIZE * perRow * CELL_BYTES),
      sums: take(LEAF_BYTES),
      words: take(LEAF_BYTES),
    })),
    totalBytes: 0,
  };
  layout.totalBytes = end;
  if (end > MAX_BYTES) throw new DeviceRefusal('out-of-memory', `the CPU device can hold 4 GiB, not ${end} bytes`);
  return layout;
}
