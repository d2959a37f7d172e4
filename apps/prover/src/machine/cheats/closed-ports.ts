/** A pod for tests that says it listens on every port that was asked for, and opens the first one only. */
import { runDishonestPod } from '../program.ts';

await runDishonestPod(import.meta.url, (honest) => ({
  ...honest,
  openPorts: async (secret, ports) => ({ ...(await honest.openPorts(secret, ports.slice(0, 1))), ports: [...ports] }),
}));
