/** A pod for tests whose disk is a fifth shorter than it says: addresses past its end begin again at the start. */
import { runDishonestPod } from '../program.ts';

const REAL_SHARE = 0.8;

await runDishonestPod(import.meta.url, (honest) => {
  let real = 1;
  return {
    ...honest,
    disk: {
      async write(task) {
        real = Math.max(1, Math.floor(task.blocks * REAL_SHARE));
        const { full } = await honest.disk.write({ ...task, blocks: real });
        return { blocks: task.blocks, full };
      },
      read: (block) => honest.disk.read(block % real),
      close: () => honest.disk.close(),
    },
  };
});
