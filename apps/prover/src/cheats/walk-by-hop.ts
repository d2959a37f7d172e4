/** Walks of a prover that has to fetch each cell from wherever it lies: the same steps as the kernel's, one hop at a time. */
import { CELL_BYTES, CELLS_PER_LEAF, DIGEST_BYTES } from '@celium/proof';
import type { Bench } from '../cpu/worker.ts';

const CELL_WORDS = CELL_BYTES / 4;
const DOUBLE_ROUNDS = 4;
const WALK_DOMAIN = 0x6b6c6177;
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;
const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

/** Where the 16 words of a cell are found: a list of words and the place of the first. */
export type FetchCell = (bench: Bench, leaf: number, cell: number) => { words: Int32Array; at: number };

/** Walks walkers `first` to `first + 3` and writes their digests to `out`. */
export function walkByHop(bench: Bench, first: number, out: number, fetch: FetchCell): void {
  const { layout, sizes, view, bytes } = bench;
  const key = new Int32Array(bytes.slice(layout.keys, layout.keys + 32).buffer);
  for (let walker = first; walker < first + 4; walker += 1) {
    const s = startOf(key, walker);
    for (let hop = 0; hop < sizes.hopsPerWalk; hop += 1) {
      const leaf = Math.floor(((s[0]! >>> 0) * sizes.memoryLeaves) / 2 ** 32);
      const { words, at } = fetch(bench, leaf, (s[1]! >>> 0) % CELLS_PER_LEAF);
      for (let i = 0; i < CELL_WORDS; i += 1) {
        const t = i % 4;
        s[t] = fold(s[t]! ^ words[at + i]!, key[4 + t]! | 1, s[(t + 1) % 4]!);
      }
    }
    const digest = out + (walker - first) * DIGEST_BYTES;
    view.setInt32(digest, s[0]!, true);
    view.setInt32(digest + 4, s[1]!, true);
  }
}

function startOf(key: Int32Array, walker: number): Int32Array {
  const start = Int32Array.of(...CONSTANTS, ...key, walker, 0, WALK_DOMAIN, 0);
  const x = start.slice();
  for (let round = 0; round < DOUBLE_ROUNDS; round += 1)
    for (const [a, b, c, d] of QUARTERS) {
      for (const [to, add, turned, by] of [
        [a, b, d, 16],
        [c, d, b, 12],
        [a, b, d, 8],
        [c, d, b, 7],
      ] as const) {
        x[to] = x[to]! + x[add]!;
        const mixed = x[turned]! ^ x[to]!;
        x[turned] = (mixed << by) | (mixed >>> (32 - by));
      }
    }
  return x.slice(0, 4).map((word, i) => word + start[i]!);
}

/** The two words of the 64-bit `x m + a`, xored, in doubles that stay exact. */
function fold(x: number, m: number, a: number): number {
  const [xh, xl, mh, ml] = [x >>> 16, x & 0xffff, m >>> 16, m & 0xffff];
  const middle = xl * mh + xh * ml;
  const low = xl * ml + (middle % 65_536) * 65_536 + (a >>> 0);
  return (xh * mh + Math.floor(middle / 65_536) + Math.floor(low / 2 ** 32)) ^ (low % 2 ** 32);
}
