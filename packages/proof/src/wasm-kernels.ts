/** The audit's kernels in WASM SIMD: the layout of its memory and the calls; the arithmetic is in `assembly/`. */
import { fromBase64 } from './bytes.ts';
import type { AuditKernels, ProductKind, WalkRequest } from './kernels.ts';
import wasmBase64 from './kernels.wasm.ts';
import {
  CELL_BYTES,
  CELLS_PER_LEAF,
  DIGEST_BYTES,
  LEAF_BYTES,
  TILE_SIZE,
  type ProofParams,
  segmentsPerRow,
} from './params.ts';

/** The exports of the WASM module; pointers are byte offsets into its imported memory. Described beside the code in `assembly/`. */
export interface KernelExports {
  fillCells(scratch: number, seed: number, iterations: number, counter: bigint, count: number, out: number): void;
  fillCellsAt(scratch: number, seed: number, iterations: number, counters: number, count: number, out: number): void;
  gatherCells(memory: number, counters: number, count: number, out: number): void;
  segmentCounters(scratch: number, key: number, first: number, count: number, leaves: number, out: number): void;
  digestWords(scratch: number, key: number, index: number, words: number, out: number): void;
  walkFour(
    scratch: number,
    seed: number,
    iterations: number,
    keys: number,
    numbers: number,
    hops: number,
    leaves: number,
    memory: number,
    out: number,
  ): void;
  expandSegment(
    scratch: number,
    key: number,
    cell: number,
    segment: number,
    firstBlock: number,
    blocks: number,
    kind: number,
    out: number,
  ): void;
  addPanel(sums: number, a: number, b: number, stride: number, depth: number): void;
  orderTile(sums: number, words: number): void;
}

/** Elements of an operand row that are expanded and multiplied at a time, so that both panels stay in the cache. */
export const PANEL_DEPTH = 1024;
/** Bytes from one row of a panel to the next: the padding keeps rows off each other's cache sets. */
export const PANEL_STRIDE = PANEL_DEPTH * 2 + 64;
/** Bytes of one panel of 64 rows. */
export const PANEL_BYTES = PANEL_STRIDE * TILE_SIZE;

const WASM_PAGE_BYTES = 65536;
let compiled: WebAssembly.Module | undefined;

/** Compiles a base64 module and instantiates it over `memory`; throws when the runtime has no WASM SIMD. */
export function instantiateKernels(base64: string, memory: WebAssembly.Memory): KernelExports {
  const bytes = fromBase64(base64);
  if (bytes === null) throw new TypeError('the WASM module is not base64');
  return instantiate(new WebAssembly.Module(bytes as BufferSource), memory);
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
}

/** The number by which the WASM knows a product kind. */
export function kindNumber(kind: ProductKind): number {
  return kind === 'int8' ? 0 : 1;
}

/** Offsets of the work areas of one audit; `cells` holds the resident cells of two times 64 operand rows. */
function layOut(params: ProofParams) {
  const cellsPerPanel = TILE_SIZE * segmentsPerRow(params);
  let end = 0;
  const take = (bytes: number): number => {
    const at = end;
    end += Math.ceil(bytes / 64) * 64;
    return at;
  };
  return {
    scratch: take(1024),
    seed: take(32),
    keys: take(128),
    numbers: take(16),
    digests: take(4 * DIGEST_BYTES),
    words: take(LEAF_BYTES),
    sums: take(LEAF_BYTES),
    counters: take(2 * cellsPerPanel * 8),
    cells: take(2 * cellsPerPanel * CELL_BYTES),
    panels: take(2 * PANEL_BYTES),
    cellsPerPanel,
    get bytes(): number {
      return end;
    },
  };
}

/** The audit's module over a fresh memory of at least so many bytes. Throws where WebAssembly SIMD is missing. */
export function auditWasm(byteCount: number): { wasm: KernelExports; bytes: Uint8Array } {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(byteCount / WASM_PAGE_BYTES) });
  compiled ??= new WebAssembly.Module(fromBase64(wasmBase64) as BufferSource);
  return { wasm: instantiate(compiled, memory), bytes: new Uint8Array(memory.buffer) };
}

/** The audit's kernels in WASM for one seed. Throws where WebAssembly SIMD is missing. */
export function wasmKernels(params: ProofParams, seed: Uint8Array): AuditKernels {
  const at = layOut(params);
  const { wasm, bytes } = auditWasm(at.bytes);
  const view = new DataView(bytes.buffer);
  bytes.set(seed, at.seed);
  const { memoryLeaves, fillIterations, productSize, productDepth, segmentBytes } = params;
  const perRow = segmentsPerRow(params);
  const depth = Math.min(PANEL_DEPTH, productDepth);

  function digest(number: number): Uint8Array {
    const from = at.digests + number * DIGEST_BYTES;
    return bytes.slice(from, from + DIGEST_BYTES);
  }

  /** Elements `from` .. `from + depth` of 64 rows whose resident cells start at `cells`, expanded into `panel`. */
  function expandPanel(kind: ProductKind, cells: number, firstSegment: number, from: number, panel: number): void {
    for (let row = 0; row < TILE_SIZE; row++) {
      for (let done = 0; done < depth; done += segmentBytes) {
        const column = Math.floor((from + done) / segmentBytes);
        const cell = row * perRow + column;
        const firstBlock = ((from + done) % segmentBytes) / CELL_BYTES;
        const blocks = Math.min(segmentBytes, depth) / CELL_BYTES;
        const out = panel + row * PANEL_STRIDE + done * 2;
        const source = cells + cell * CELL_BYTES;
        wasm.expandSegment(at.scratch, at.keys, source, firstSegment + cell, firstBlock, blocks, kindNumber(kind), out);
      }
    }
  }

  function walkBatch(batch: readonly WalkRequest[]): Uint8Array[] {
    for (let lane = 0; lane < 4; lane++) {
      const { q, walk } = batch[Math.min(lane, batch.length - 1)]!;
      bytes.set(q, at.keys + lane * 32);
      view.setUint32(at.numbers + lane * 4, walk, true);
    }
    const hops = params.hopsPerWalk;
    wasm.walkFour(at.scratch, at.seed, fillIterations, at.keys, at.numbers, hops, memoryLeaves, 0, at.digests);
    return batch.map((_, lane) => digest(lane));
  }

  return {
    leafDigest(q, leaf) {
      bytes.set(q, at.keys);
      const counter = BigInt(leaf) * BigInt(CELLS_PER_LEAF);
      wasm.fillCells(at.scratch, at.seed, fillIterations, counter, CELLS_PER_LEAF, at.words);
      wasm.digestWords(at.scratch, at.keys, leaf, at.words, at.digests);
      return digest(0);
    },
    tileDigest(kind, q, tile) {
      bytes.set(q, at.keys);
      bytes.fill(0, at.sums, at.sums + LEAF_BYTES);
      const across = productSize / TILE_SIZE;
      const firstRows = [Math.floor(tile / across) * TILE_SIZE, productSize + (tile % across) * TILE_SIZE];
      for (const [side, row] of firstRows.entries()) {
        const out = at.counters + side * at.cellsPerPanel * 8;
        wasm.segmentCounters(at.scratch, at.keys, row * perRow, at.cellsPerPanel, memoryLeaves, out);
      }
      wasm.fillCellsAt(at.scratch, at.seed, fillIterations, at.counters, 2 * at.cellsPerPanel, at.cells);
      for (let from = 0; from < productDepth; from += depth) {
        for (const [side, row] of firstRows.entries()) {
          const cells = at.cells + side * at.cellsPerPanel * CELL_BYTES;
          expandPanel(kind, cells, row * perRow, from, at.panels + side * PANEL_BYTES);
        }
        wasm.addPanel(at.sums, at.panels, at.panels + PANEL_BYTES, PANEL_STRIDE, depth);
      }
      wasm.orderTile(at.sums, at.words);
      wasm.digestWords(at.scratch, at.keys, tile, at.words, at.digests);
      return digest(0);
    },
    walkDigests(requests) {
      const out: Uint8Array[] = [];
      for (let i = 0; i < requests.length; i += 4) out.push(...walkBatch(requests.slice(i, i + 4)));
      return out;
    },
  };
}
