/** A pod for tests that stores nothing and makes each block again when it is asked for: right answers, too late. */
import { createBlockMaker, DISK_BLOCK_BYTES } from '@celium/proof';
import { runDishonestPod } from '../program.ts';

await runDishonestPod(import.meta.url, (honest) => {
  const make = createBlockMaker();
  let made: { key: Uint8Array; passes: number } | null = null;
  return {
    ...honest,
    disk: {
      async write({ key, passes, blocks }) {
        made = { key, passes };
        return { blocks, full: false };
      },
      async read(block) {
        if (made === null) throw new Error('nothing was asked for');
        return make(made.key, [block], made.passes).subarray(0, DISK_BLOCK_BYTES);
      },
      close: () => honest.disk.close(),
    },
  };
});
