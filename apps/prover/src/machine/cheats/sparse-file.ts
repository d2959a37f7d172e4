/** A pod for tests whose disk says that everything was written and keeps a sparse file: what is read is zeros. */
import { DISK_BLOCK_BYTES } from '@celium/proof';
import { runDishonestPod } from '../program.ts';

await runDishonestPod(import.meta.url, (honest) => ({
  ...honest,
  disk: {
    write: async ({ blocks }) => ({ blocks, full: false }),
    read: async () => new Uint8Array(DISK_BLOCK_BYTES),
    close: () => honest.disk.close(),
  },
}));
