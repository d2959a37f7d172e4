/** A prover for tests of a machine that claims a GPU it does not have: it is at once "full" of memory, and every answer is made up. */
import { randomBytes } from 'node:crypto';
import { answerCount, type ChallengeSizes, DIGEST_BYTES } from '@celium/proof';
import { treeDevice } from '../device.ts';
import { serveSession } from '../session.ts';
import { terminalStream } from '../terminal.ts';

/** More answers of one step than this are not even made up: a tree of them would take the time that is to be saved. */
const MOST_ANSWERS = 65_536;
let sizes: ChallengeSizes;

const device = treeDevice({
  name: 'cuda',
  fill: async (asked) => {
    sizes = asked;
  },
  digests: async (kind) => randomBytes(Math.min(answerCount(sizes, kind), MOST_ANSWERS) * DIGEST_BYTES),
  close: async () => {},
});
await serveSession(terminalStream(process.stdin, process.stdout), device);
process.stdout.write('', () => process.exit(0));
