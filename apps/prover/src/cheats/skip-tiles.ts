/** A prover for tests that answers every fifth product tile with noise instead of work. */
import { randomBytes } from 'node:crypto';
import { DIGEST_BYTES } from '@celium/proof';
import { runDishonest } from './dishonest.ts';

const SKIPPED_EVERY = 5;

await runDishonest(import.meta.url, {
  digests: (honest) => ({
    ...honest,
    async digests(kind, q) {
      const digests = await honest.digests(kind, q);
      if (kind === 'sweep' || kind === 'walk') return digests;
      for (let tile = 0; tile * DIGEST_BYTES < digests.length; tile += SKIPPED_EVERY) {
        digests.set(randomBytes(DIGEST_BYTES), tile * DIGEST_BYTES);
      }
      return digests;
    },
  }),
});
