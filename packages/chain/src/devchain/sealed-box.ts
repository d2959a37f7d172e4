/** How a devchain seals timelocked rows: a keystream that belongs to a round of its own beacon. A stand-in for timelock encryption: whoever knows the chain could open it early. */
import { createHash } from 'node:crypto';
import { concat, sameBytes, utf8 } from '../keys/bytes.ts';

const TAG_LENGTH = 8;

/** Seals bytes for a round; opening gives them back only with the same chain and round. */
export function sealForRound(genesisHash: string, round: number, payload: Uint8Array): Uint8Array {
  return concat(tagOf(genesisHash, round, payload), xor(genesisHash, round, payload));
}

/** The bytes of a sealed box, or null when it was sealed for another chain or round, or is damaged. */
export function openFromRound(genesisHash: string, round: number, sealed: Uint8Array): Uint8Array | null {
  const payload = xor(genesisHash, round, sealed.slice(TAG_LENGTH));
  return sameBytes(tagOf(genesisHash, round, payload), sealed.slice(0, TAG_LENGTH)) ? payload : null;
}

function tagOf(genesisHash: string, round: number, payload: Uint8Array): Uint8Array {
  return digest(concat(utf8(`celium devchain tag\n${genesisHash}\n${round}\n`), payload)).slice(0, TAG_LENGTH);
}

function xor(genesisHash: string, round: number, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += 32) {
    const key = digest(utf8(`celium devchain drand\n${genesisHash}\n${round}\n${start}`));
    for (let index = start; index < Math.min(start + 32, bytes.length); index += 1)
      out[index] = (bytes[index] ?? 0) ^ (key[index - start] ?? 0);
  }
  return out;
}

function digest(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
