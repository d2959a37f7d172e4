/** A pod for tests of another image than was asked for: its files have the right sizes and other bytes. */
import { runDishonestPod } from '../program.ts';

await runDishonestPod(import.meta.url, (honest) => ({
  ...honest,
  readFile: async (path, offset, length) => {
    const bytes = await honest.readFile(path, offset, length);
    return bytes.map((byte) => byte ^ 0x20);
  },
}));
