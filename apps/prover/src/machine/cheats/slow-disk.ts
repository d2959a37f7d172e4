/** A pod for tests whose disk is of a slow tier: every read takes 40 ms longer. */
import { setTimeout as pause } from 'node:timers/promises';
import { runDishonestPod } from '../program.ts';

const SLOWER_MS = 40;

await runDishonestPod(import.meta.url, (honest) => ({
  ...honest,
  disk: {
    write: (task) => honest.disk.write(task),
    async read(block) {
      await pause(SLOWER_MS);
      return honest.disk.read(block);
    },
    close: () => honest.disk.close(),
  },
}));
