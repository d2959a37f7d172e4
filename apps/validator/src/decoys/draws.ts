/** Draws from cryptographic randomness: nobody foresees when a decoy comes, where, or what it does. */

import type { Draw } from '@celium/domain';
import type { RandomBytes } from '../ports.ts';

/** Fresh numbers in [0, 1), of 48 bits each. */
export function drawsOf(randomBytes: RandomBytes): Draw {
  return () => Buffer.from(randomBytes(6)).readUIntBE(0, 6) / 2 ** 48;
}
