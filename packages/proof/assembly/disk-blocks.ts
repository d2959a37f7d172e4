/** Disk blocks of 64 KiB that cannot be made again quickly: four at once, each a chain of ChaCha8 over all of its cells, many passes long. */
import { DOMAIN_DISK, setWord, setWords, startStates, storeStates } from './chacha';
import { streamFour } from './rounds.gen';

const CELLS: i32 = 1024;
/** Bytes of one cell of four blocks. */
const STRIDE: usize = 256;

/** Adds (xor) the cell before to a cell. */
function chain(cell: usize, before: usize): void {
  for (let at: usize = 0; at < STRIDE; at += 64) {
    v128.store(cell + at, v128.xor(v128.load(cell + at, 0), v128.load(before + at, 0)), 0);
    v128.store(cell + at, v128.xor(v128.load(cell + at, 16), v128.load(before + at, 16)), 16);
    v128.store(cell + at, v128.xor(v128.load(cell + at, 32), v128.load(before + at, 32)), 32);
    v128.store(cell + at, v128.xor(v128.load(cell + at, 48), v128.load(before + at, 48)), 48);
  }
}

/**
 * Makes the blocks `numbers[0..3]` (u32 at `numbers`) under the 32-byte key at `key`. `work` has 256 KiB for the states; the blocks are
 * written to `out`, 64 KiB each, one after another. Even passes go up and odd ones down, so that a pass begins where the last one ended.
 */
export function makeBlocks(work: usize, key: usize, numbers: usize, passes: i32, out: usize): void {
  for (let cell = 0; cell < CELLS; cell++) {
    const at = work + <usize>cell * STRIDE;
    startStates(at, key, DOMAIN_DISK);
    setWords(at, 12, load<i32>(numbers, 0), load<i32>(numbers, 4), load<i32>(numbers, 8), load<i32>(numbers, 12));
    setWord(at, 13, cell);
    streamFour(at, at);
  }
  for (let pass = 0; pass < passes; pass++) {
    const down = (pass & 1) === 1;
    let before: usize = 0;
    for (let i = 0; i < CELLS; i++) {
      const cell = down ? CELLS - 1 - i : i;
      const at = work + <usize>cell * STRIDE;
      if (i > 0) chain(at, before);
      else v128.store(at + 240, v128.xor(v128.load(at + 240), i32x4.splat(pass + 1)));
      streamFour(at, at);
      before = at;
    }
  }
  for (let cell = 0; cell < CELLS; cell++) {
    const to = out + ((<usize>cell) << 6);
    storeStates(work + <usize>cell * STRIDE, to, to + 65536, to + 131072, to + 196608);
  }
}
