/** Final blocks one after the other, from a cursor, each the child of the one before: a node that tells otherwise is on a fork or lies. */
import { CeliumError } from '@celium/contract';
import type { BlockRef } from '../subnet-chain.ts';
import type { ChainPort, RawBlock } from './chain-port.ts';

const LOOK_EVERY_MS = 2_000;
/** Failed looks in a row before a stream gives up. */
const MOST_FAILURES = 30;

/** Yields every final block from number `from` on until `stop`. Throws `CHAIN_WRONG` for a final block with another parent. */
export async function* followFinalized(
  port: ChainPort,
  from: number,
  stop: AbortSignal,
  sleep: (ms: number) => Promise<void>,
): AsyncGenerator<BlockRef> {
  const stopped = new Promise<null>((resolve) => {
    if (stop.aborted) resolve(null);
    else stop.addEventListener('abort', () => resolve(null), { once: true });
  });
  let cursor = from;
  let last: RawBlock | null = null;
  let failures = 0;
  while (!stop.aborted) {
    try {
      const heads = await Promise.race([port.heads(), stopped]);
      if (heads === null) return;
      failures = 0;
      while (cursor <= heads.finalized.number && !stop.aborted) {
        const block: RawBlock | null = await Promise.race([readBlock(port, cursor), stopped]);
        if (block === null) return;
        if (last !== null && block.parent !== last.hash) {
          throw new CeliumError(
            'CHAIN_WRONG',
            `final block ${cursor} (${block.hash}) does not follow the final block before it (${last.hash})`,
          );
        }
        last = block;
        cursor += 1;
        yield { number: block.number, hash: block.hash, timeMs: block.timeMs };
      }
    } catch (error) {
      if (stop.aborted) return;
      failures += 1;
      const transient = error instanceof CeliumError && error.code === 'CHAIN_UNAVAILABLE';
      if (!transient || failures >= MOST_FAILURES) throw error;
    }
    await Promise.race([sleep(LOOK_EVERY_MS), stopped]);
  }
}

async function readBlock(port: ChainPort, number: number): Promise<RawBlock> {
  const hash = await port.hashOf(number);
  if (hash === null) throw new CeliumError('CHAIN_UNAVAILABLE', `the node does not have final block ${number} yet`);
  const block = await port.block(hash);
  if (block.number === number) return block;
  throw new CeliumError('CHAIN_WRONG', `the node gave block ${block.number} for block ${number}`);
}
