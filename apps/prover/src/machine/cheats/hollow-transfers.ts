/** A pod for tests that moves no payload: what it should send is zeros, which cost a line that compresses nothing. */
import { PAYLOAD_PIECE_BYTES } from '@celium/proof';
import { runDishonestPod } from '../program.ts';
import { openResponder } from '../responder.ts';

const nothing = new Uint8Array(PAYLOAD_PIECE_BYTES);

await runDishonestPod(import.meta.url, (honest) => ({
  ...honest,
  openPorts: (secret, ports) => openResponder(secret, ports, { payload: () => () => nothing }),
}));
