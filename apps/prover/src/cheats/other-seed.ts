/** A prover for tests that answers for another seed than the one it was given, as one with prepared answers would. */
import { runDishonest } from './dishonest.ts';

await runDishonest(import.meta.url, {
  digests: (honest) => ({
    ...honest,
    fill: (sizes) => honest.fill(sizes, new Uint8Array(32).fill(7)),
  }),
});
