/** A prover for tests whose operands come from one cell instead of cells all over the memory, so that products would need no memory. */
import { CELL_BYTES } from '@celium/proof';
import { makeLeaves, residentCells } from '../cpu/worker.ts';
import { runDishonest } from './dishonest.ts';

await runDishonest(import.meta.url, {
  cells: {
    ...residentCells,
    gather(bench, count) {
      const { own, bytes } = bench;
      makeLeaves(bench, 0, 1, own.words);
      const cell = bytes.slice(own.words, own.words + CELL_BYTES);
      for (let i = 0; i < count; i += 1) bytes.set(cell, own.cells + i * CELL_BYTES);
    },
  },
});
