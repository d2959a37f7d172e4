/** A pod for tests that wants to seem far away: every echo comes 200 ms later. */
import { runDishonestPod } from '../program.ts';
import { openResponder } from '../responder.ts';

const LATER_MS = 200;

await runDishonestPod(import.meta.url, (honest) => ({
  ...honest,
  openPorts: (secret, ports) => openResponder(secret, ports, { beforeEcho: (send) => void setTimeout(send, LATER_MS) }),
}));
