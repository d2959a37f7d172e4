/** The hardware of a content trial: the prover's own kernels over one real memory, in this thread, so that a cheat can take cells away from it. */
import {
  answerCount,
  CELL_BYTES,
  CELLS_PER_LEAF,
  type ChallengeSizes,
  DIGEST_BYTES,
  instantiateKernels,
  kindNumber,
  LEAF_BYTES,
  PANEL_BYTES,
  PANEL_STRIDE,
  type ProductKind,
  sharedKernelsBase64,
  type StepKind,
  TILE_SIZE,
} from '@celium/proof';
import { layOutMemory } from '../../../apps/prover/src/cpu/layout.ts';

const WASM_PAGE_BYTES = 65_536;

/** How a cheat makes the operands of a product cheaper than the protocol does. */
export interface OperandChange {
  /** Addresses and keys of the operands come from this chain value: operands of an earlier round, used again. */
  q?: Uint8Array;
  /** Operands are keyed by an empty cell instead of the resident ones: a product without the memory. */
  unbound?: boolean;
  /** Changes the expanded rows (64 to a block; A, then B transposed) of `depth` int16 elements each. */
  rows?(row: (number: number) => Int16Array): void;
}

/** A device with memory that stays filled between steps. */
export interface ResidentDevice {
  /** Fills all cells from the seed. */
  fill(seed: Uint8Array): void;
  /** The filled cells themselves; writing here is how a cheat loses memory. */
  readonly cells: Uint8Array;
  /** All digests of one step, 8 bytes per answer, from whatever the memory holds. */
  digests(kind: StepKind, q: Uint8Array, change?: OperandChange): Uint8Array;
}

/** Makes a device for these sizes; the sizes must be some that the CPU prover takes. */
export function residentDevice(sizes: ChallengeSizes): ResidentDevice {
  const at = layOutMemory(sizes, 1);
  const own = at.threads[0]!;
  const pages = Math.ceil(at.totalBytes / WASM_PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const wasm = instantiateKernels(sharedKernelsBase64, memory);
  const bytes = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer);

  function sweep(): void {
    for (let leaf = 0; leaf < sizes.memoryLeaves; leaf++) {
      const out = at.digests + leaf * DIGEST_BYTES;
      wasm.digestWords(own.scratch, at.keys, leaf, at.cells + leaf * LEAF_BYTES, out);
    }
  }

  function walk(): void {
    const { hopsPerWalk: hops, memoryLeaves: leaves, fillIterations: iterations } = sizes;
    for (let first = 0; first < sizes.walkers; first += 4) {
      for (let lane = 0; lane < 4; lane++) view.setUint32(own.numbers + lane * 4, first + lane, true);
      const out = at.digests + first * DIGEST_BYTES;
      wasm.walkFour(own.scratch, at.seed, iterations, at.keys, own.numbers, hops, leaves, at.cells, out);
    }
  }

  function setKey(q: Uint8Array): void {
    for (let copy = 0; copy < 4; copy++) bytes.set(q, at.keys + copy * q.length);
  }

  function expandRows(kind: ProductKind, rowBlock: number, unbound: boolean): void {
    const count = TILE_SIZE * at.segmentsPerRow;
    const first = rowBlock * count;
    wasm.segmentCounters(own.scratch, at.keys, first, count, sizes.memoryLeaves, own.counters);
    if (unbound) bytes.fill(0, own.cells, own.cells + count * CELL_BYTES);
    else wasm.gatherCells(at.cells, own.counters, count, own.cells);
    const piece = Math.min(sizes.segmentBytes, at.panelDepth);
    for (let row = 0; row < TILE_SIZE; row++) {
      for (let element = 0; element < sizes.productDepth; element += piece) {
        const segment = row * at.segmentsPerRow + Math.floor(element / sizes.segmentBytes);
        const panel = rowBlock * at.chunks + Math.floor(element / at.panelDepth);
        const block = (element % sizes.segmentBytes) / CELL_BYTES;
        const out = at.panels + panel * PANEL_BYTES + row * PANEL_STRIDE + (element % at.panelDepth) * 2;
        const cell = own.cells + segment * CELL_BYTES;
        const number = kindNumber(kind);
        wasm.expandSegment(own.scratch, at.keys, cell, first + segment, block, piece / CELL_BYTES, number, out);
      }
    }
  }

  function multiply(): void {
    const across = sizes.productSize / TILE_SIZE;
    for (let tile = 0; tile < across ** 2; tile++) {
      bytes.fill(0, own.sums, own.sums + LEAF_BYTES);
      for (let chunk = 0; chunk < at.chunks; chunk++) {
        const a = at.panels + (Math.floor(tile / across) * at.chunks + chunk) * PANEL_BYTES;
        const b = at.panels + ((across + (tile % across)) * at.chunks + chunk) * PANEL_BYTES;
        wasm.addPanel(own.sums, a, b, PANEL_STRIDE, at.panelDepth);
      }
      wasm.orderTile(own.sums, own.words);
      wasm.digestWords(own.scratch, at.keys, tile, own.words, at.digests + tile * DIGEST_BYTES);
    }
  }

  return {
    cells: bytes.subarray(at.cells, at.cells + sizes.memoryLeaves * LEAF_BYTES),
    fill(seed) {
      bytes.set(seed, at.seed);
      const count = sizes.memoryLeaves * CELLS_PER_LEAF;
      wasm.fillCells(own.scratch, at.seed, sizes.fillIterations, 0n, count, at.cells);
    },
    digests(kind, q, change = {}) {
      setKey(change.q ?? q);
      if (kind === 'sweep') sweep();
      else if (kind === 'walk') walk();
      else {
        for (let block = 0; block < at.rowBlocks; block++) expandRows(kind, block, change.unbound ?? false);
        change.rows?.((row) => {
          const panel = Math.floor(row / TILE_SIZE) * at.chunks * PANEL_BYTES;
          return new Int16Array(memory.buffer, at.panels + panel + (row % TILE_SIZE) * PANEL_STRIDE, at.panelDepth);
        });
        setKey(q);
        multiply();
      }
      return bytes.slice(at.digests, at.digests + answerCount(sizes, kind) * DIGEST_BYTES);
    },
  };
}
