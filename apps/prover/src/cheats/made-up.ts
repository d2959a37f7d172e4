/** A prover for tests of a machine that claims a GPU it does not have: it is at once "full" of memory, and everything it says is made up. */
import { randomBytes } from 'node:crypto';
import { DIGEST_BYTES, DIGESTS_PER_MERKLE_LEAF } from '@celium/proof';
import { serveSession } from '../session.ts';
import { terminalStream } from '../terminal.ts';

const HASH_BYTES = 32;

await serveSession(terminalStream(process.stdin, process.stdout), {
  name: 'cuda',
  fill: async () => {},
  runStep: async () => ({
    root: randomBytes(HASH_BYTES),
    open: async () => ({ digests: randomBytes(DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF), path: randomBytes(HASH_BYTES) }),
  }),
  close: async () => {},
});
process.stdout.write('', () => process.exit(0));
