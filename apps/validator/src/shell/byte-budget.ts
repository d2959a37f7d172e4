/** Ends a stream that takes in more than it may: SSH below the shell has no bound of its own, and answers whatever a server asks for. */

import type { Duplex } from 'node:stream';

/**
 * Counts what `stream` takes in and calls `onExceeded` once it is more than `limit()`. To be called before anybody listens: a listener of our own
 * would start the stream, so ours is added together with the first one of another.
 */
export function limitBytes(stream: Duplex, limit: () => number, onExceeded: () => void): void {
  let taken = 0;
  const count = (chunk: Uint8Array): void => {
    taken += chunk.length;
    if (taken <= limit()) return;
    stream.off('data', count);
    onExceeded();
  };
  const join = (event: string | symbol): void => {
    if (event !== 'data') return;
    stream.off('newListener', join);
    stream.on('data', count);
  };
  stream.on('newListener', join);
}
