/** A prover for tests that has memory for half of the cells and keeps the other half on disk, past the page cache. */
import { constants, openSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CELL_BYTES, CELLS_PER_LEAF, LEAF_BYTES } from '@celium/proof';
import { type Bench, makeLeaves } from '../cpu/worker.ts';
import { runDishonest } from './dishonest.ts';
import { walkByHop } from './walk-by-hop.ts';

const CELL_WORDS = CELL_BYTES / 4;
/** What a disk reads at least; reads past the cache begin and end at its multiples. */
const BLOCK_BYTES = 4_096;

/** This thread's way to and from the disk; the memory of a WASM module begins at a page, as such reads want it. */
const page = new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer);
const pageWords = new Int32Array(page.buffer);
let file = -1;

/** One file for all threads: they have the process in common. */
function openSwap(): number {
  if (file >= 0) return file;
  const path = join(tmpdir(), `swap-${process.pid}`);
  file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT, 0o600);
  return file;
}

function isResident({ sizes }: Bench, leaf: number): boolean {
  return leaf < sizes.memoryLeaves / 2;
}

await runDishonest(import.meta.url, {
  cells: {
    fill(bench, from, to) {
      const { layout, own, bytes } = bench;
      for (let leaf = from; leaf < to; leaf += 1) {
        if (isResident(bench, leaf)) {
          makeLeaves(bench, leaf, leaf + 1, layout.cells + leaf * LEAF_BYTES);
          continue;
        }
        makeLeaves(bench, leaf, leaf + 1, own.words);
        page.set(bytes.subarray(own.words, own.words + LEAF_BYTES));
        writeSync(openSwap(), page, 0, LEAF_BYTES, leaf * LEAF_BYTES);
      }
    },
    leafAt(bench, leaf) {
      const { layout, own, bytes } = bench;
      if (isResident(bench, leaf)) return layout.cells + leaf * LEAF_BYTES;
      readSync(openSwap(), page, 0, LEAF_BYTES, leaf * LEAF_BYTES);
      bytes.set(page.subarray(0, LEAF_BYTES), own.words);
      return own.words;
    },
    gather(bench, count) {
      const { own, bytes, view } = bench;
      for (let i = 0; i < count; i += 1) {
        const counter = Number(view.getBigUint64(own.counters + i * 8, true));
        const { words, at } = fetchCell(bench, Math.floor(counter / CELLS_PER_LEAF), counter % CELLS_PER_LEAF);
        bytes.set(new Uint8Array(words.buffer, at * 4, CELL_BYTES), own.cells + i * CELL_BYTES);
      }
    },
    walkFour: (bench, first, out) => walkByHop(bench, first, out, fetchCell),
  },
});

function fetchCell(bench: Bench, leaf: number, cell: number): { words: Int32Array; at: number } {
  if (isResident(bench, leaf)) {
    const at = (bench.layout.cells + leaf * LEAF_BYTES) / 4 + cell * CELL_WORDS;
    return { words: wordsOf(bench), at };
  }
  const offset = leaf * LEAF_BYTES + cell * CELL_BYTES;
  const within = offset % BLOCK_BYTES;
  readSync(openSwap(), page, 0, BLOCK_BYTES, offset - within);
  return { words: pageWords, at: within / 4 };
}

let shared: Int32Array<SharedArrayBuffer> | undefined;
function wordsOf({ bytes }: Bench): Int32Array {
  if (shared === undefined || shared.buffer !== bytes.buffer) shared = new Int32Array(bytes.buffer);
  return shared;
}
