/** A prover for tests that does all work and holds back everything after its first step until no deadline can be kept. */
import { setTimeout as sleep } from 'node:timers/promises';
import { runDishonest } from './dishonest.ts';

const DELAY_MS = 10 * 60 * 1000;
let steps = 0;

await runDishonest(import.meta.url, {
  digests: (honest) => ({
    ...honest,
    async digests(kind, q) {
      steps += 1;
      if (steps > 1) await sleep(DELAY_MS);
      return honest.digests(kind, q);
    },
  }),
});
