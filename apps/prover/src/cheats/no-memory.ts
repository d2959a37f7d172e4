/** A prover for tests that keeps nothing of the fill and makes every cell again when it is read. */
import { makeLeaves, walkOver } from '../cpu/worker.ts';
import { runDishonest } from './dishonest.ts';

/** Walks make a cell again at every hop where there is no memory to walk over. */
const NOWHERE = 0;

await runDishonest(import.meta.url, {
  cells: {
    fill: () => {},
    leafAt(bench, leaf) {
      makeLeaves(bench, leaf, leaf + 1, bench.own.words);
      return bench.own.words;
    },
    gather({ wasm, layout, own, sizes }, count) {
      wasm.fillCellsAt(own.scratch, layout.seed, sizes.fillIterations, own.counters, count, own.cells);
    },
    walkFour: (bench, first, out) => walkOver(bench, first, NOWHERE, out),
  },
});
