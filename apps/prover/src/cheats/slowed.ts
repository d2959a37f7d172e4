/** A prover for tests whose machine was slowed down: after each step it rests `restShare` times as long as the step took (`cheat.json`). */
import { setTimeout as rest } from 'node:timers/promises';
import { cheatSetting, runDishonest } from './dishonest.ts';

const restShare = (): number => cheatSetting(import.meta.url, 'restShare');

await runDishonest(import.meta.url, {
  digests: (honest) => ({
    ...honest,
    async digests(kind, q) {
      const startedMs = performance.now();
      const digests = await honest.digests(kind, q);
      await rest((performance.now() - startedMs) * restShare());
      return digests;
    },
  }),
});
