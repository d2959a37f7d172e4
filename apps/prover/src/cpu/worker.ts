/** One worker thread of the CPU device: takes pieces of a task from a shared counter until none is left. */
import { parentPort } from 'node:worker_threads';
import {
  CELL_BYTES,
  CELLS_PER_LEAF,
  type ChallengeSizes,
  DIGEST_BYTES,
  instantiateKernels,
  type KernelExports,
  kindNumber,
  LEAF_BYTES,
  PANEL_BYTES,
  PANEL_STRIDE,
  type ProductKind,
  sharedKernelsBase64,
  TILE_SIZE,
} from '@celium/proof';
import type { CpuLayout, ThreadLayout } from './layout.ts';

/** What the main thread asks for. `set-up` comes first and once per challenge. */
export type WorkerRequest =
  | { task: 'set-up'; memory: WebAssembly.Memory; sizes: ChallengeSizes; layout: CpuLayout; thread: number }
  | { task: 'fill' | 'sweep' | 'walk' }
  | { task: 'expand' | 'tiles'; kind: ProductKind };

/** The answer to every request, once its pieces are used up. */
export type WorkerReply = { ok: true } | { ok: false; message: string };

/** What one worker thread works with. */
export interface Bench {
  wasm: KernelExports;
  sizes: ChallengeSizes;
  layout: CpuLayout;
  own: ThreadLayout;
  view: DataView<SharedArrayBuffer>;
  bytes: Uint8Array<SharedArrayBuffer>;
  counter: Int32Array<SharedArrayBuffer>;
}

/** Where the filled cells are kept between the steps. Honest is one way only: all of them in memory. */
export interface CellStore {
  /** Makes the leaves from `from` up to `to`, and keeps them. */
  fill(bench: Bench, from: number, to: number): void;
  /** Where the cells of a leaf lie now; good until the next call. */
  leafAt(bench: Bench, leaf: number): number;
  /** Copies the `count` cells of `own.counters` to `own.cells`. */
  gather(bench: Bench, count: number): void;
  /** Walks walkers `first` to `first + 3`, their digests to `out`. */
  walkFour(bench: Bench, first: number, out: number): void;
}

/** All cells in the memory that the threads share. */
export const residentCells: CellStore = {
  fill: (bench, from, to) => makeLeaves(bench, from, to, bench.layout.cells + from * LEAF_BYTES),
  leafAt: ({ layout }, leaf) => layout.cells + leaf * LEAF_BYTES,
  gather: ({ wasm, layout, own }, count) => wasm.gatherCells(layout.cells, own.counters, count, own.cells),
  walkFour: (bench, first, out) => walkOver(bench, first, bench.layout.cells, out),
};

/** Takes requests from the main thread for as long as it lives. */
export function serveWorker(cells: CellStore = residentCells): void {
  const port = parentPort;
  if (port === null) throw new Error('this is the code of a worker thread');
  let bench: Bench | null = null;
  port.on('message', (request: WorkerRequest) => {
    try {
      if (request.task === 'set-up') bench = setUp(request);
      else if (bench === null) throw new Error('no challenge was set up');
      else perform(bench, cells, request);
      port.postMessage({ ok: true } satisfies WorkerReply);
    } catch (error) {
      port.postMessage({ ok: false, message: error instanceof Error ? error.message : 'failed' } satisfies WorkerReply);
    }
  });
}

function setUp({ memory, sizes, layout, thread }: Extract<WorkerRequest, { task: 'set-up' }>): Bench {
  const buffer = memory.buffer as unknown as SharedArrayBuffer;
  return {
    wasm: instantiateKernels(sharedKernelsBase64, memory),
    sizes,
    layout,
    own: layout.threads[thread]!,
    view: new DataView(buffer),
    bytes: new Uint8Array(buffer),
    counter: new Int32Array(buffer, layout.taskCounter, 1),
  };
}

/** Calls `work` for pieces 0 .. pieces - 1, shared with the other threads. */
function takePieces(bench: Bench, pieces: number, work: (piece: number) => void): void {
  for (;;) {
    const piece = Atomics.add(bench.counter, 0, 1);
    if (piece >= pieces) return;
    work(piece);
  }
}

/** Leaves that are filled or swept at a time, and walks that are walked at a time. */
const LEAVES_PER_PIECE = 8;
const WALKS_PER_PIECE = 64;

function perform(bench: Bench, cells: CellStore, request: Exclude<WorkerRequest, { task: 'set-up' }>): void {
  const { sizes, layout } = bench;
  const leafPieces = Math.ceil(sizes.memoryLeaves / LEAVES_PER_PIECE);
  switch (request.task) {
    case 'fill':
      return takePieces(bench, leafPieces, (piece) => {
        const { from, to } = leavesOfPiece(bench, piece);
        cells.fill(bench, from, to);
      });
    case 'sweep':
      return takePieces(bench, leafPieces, (piece) => sweepLeaves(bench, cells, piece));
    case 'walk':
      return takePieces(bench, Math.ceil(sizes.walkers / WALKS_PER_PIECE), (piece) => walk(bench, cells, piece));
    case 'expand':
      return takePieces(bench, layout.rowBlocks, (piece) => expandRows(bench, cells, request.kind, piece));
    case 'tiles':
      return takePieces(bench, (sizes.productSize / TILE_SIZE) ** 2, (tile) => multiplyTile(bench, tile));
  }
}

function leavesOfPiece({ sizes }: Bench, piece: number): { from: number; to: number } {
  const from = piece * LEAVES_PER_PIECE;
  return { from, to: Math.min(from + LEAVES_PER_PIECE, sizes.memoryLeaves) };
}

/** Fills `to - from` leaves anew, one after the other from `out` on. */
export function makeLeaves({ wasm, layout, own, sizes }: Bench, from: number, to: number, out: number): void {
  const counter = BigInt(from) * BigInt(CELLS_PER_LEAF);
  wasm.fillCells(own.scratch, layout.seed, sizes.fillIterations, counter, (to - from) * CELLS_PER_LEAF, out);
}

function sweepLeaves(bench: Bench, cells: CellStore, piece: number): void {
  const { wasm, layout, own } = bench;
  const { from, to } = leavesOfPiece(bench, piece);
  for (let leaf = from; leaf < to; leaf++) {
    const words = cells.leafAt(bench, leaf);
    wasm.digestWords(own.scratch, layout.keys, leaf, words, layout.digests + leaf * DIGEST_BYTES);
  }
}

function walk(bench: Bench, cells: CellStore, piece: number): void {
  const { layout, sizes } = bench;
  const to = Math.min((piece + 1) * WALKS_PER_PIECE, sizes.walkers);
  for (let first = piece * WALKS_PER_PIECE; first < to; first += 4) {
    cells.walkFour(bench, first, layout.digests + first * DIGEST_BYTES);
  }
}

/** Four walks over the cells at `memory`; with 0 each cell is made again on the way. */
export function walkOver({ wasm, layout, own, sizes, view }: Bench, first: number, memory: number, out: number): void {
  for (let lane = 0; lane < 4; lane++) view.setUint32(own.numbers + lane * 4, first + lane, true);
  const { hopsPerWalk, memoryLeaves, fillIterations } = sizes;
  const { seed, keys } = layout;
  wasm.walkFour(own.scratch, seed, fillIterations, keys, own.numbers, hopsPerWalk, memoryLeaves, memory, out);
}

/** Expands 64 operand rows into their panels: addresses from the chain value, cells from memory, elements from both. */
function expandRows(bench: Bench, cells: CellStore, kind: ProductKind, rowBlock: number): void {
  const { wasm, layout, own, sizes } = bench;
  const perRow = layout.segmentsPerRow;
  const count = TILE_SIZE * perRow;
  const first = rowBlock * count;
  wasm.segmentCounters(own.scratch, layout.keys, first, count, sizes.memoryLeaves, own.counters);
  cells.gather(bench, count);
  const piece = Math.min(sizes.segmentBytes, layout.panelDepth);
  for (let row = 0; row < TILE_SIZE; row++) {
    for (let element = 0; element < sizes.productDepth; element += piece) {
      const segment = row * perRow + Math.floor(element / sizes.segmentBytes);
      const panel = rowBlock * layout.chunks + Math.floor(element / layout.panelDepth);
      const column = element % layout.panelDepth;
      wasm.expandSegment(
        own.scratch,
        layout.keys,
        own.cells + segment * CELL_BYTES,
        first + segment,
        (element % sizes.segmentBytes) / CELL_BYTES,
        piece / CELL_BYTES,
        kindNumber(kind),
        layout.panels + panel * PANEL_BYTES + row * PANEL_STRIDE + column * 2,
      );
    }
  }
}

function multiplyTile(bench: Bench, tile: number): void {
  const { wasm, layout, own, sizes, bytes } = bench;
  const across = sizes.productSize / TILE_SIZE;
  const rowsOfA = Math.floor(tile / across);
  const rowsOfB = across + (tile % across);
  bytes.fill(0, own.sums, own.sums + LEAF_BYTES);
  for (let chunk = 0; chunk < layout.chunks; chunk++) {
    const a = layout.panels + (rowsOfA * layout.chunks + chunk) * PANEL_BYTES;
    const b = layout.panels + (rowsOfB * layout.chunks + chunk) * PANEL_BYTES;
    wasm.addPanel(own.sums, a, b, PANEL_STRIDE, layout.panelDepth);
  }
  wasm.orderTile(own.sums, own.words);
  wasm.digestWords(own.scratch, layout.keys, tile, own.words, layout.digests + tile * DIGEST_BYTES);
}
