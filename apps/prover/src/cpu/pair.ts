/** The lead of a pair on the CPU: leaves of the own memory and of the peer's file, added and digested. It shows that the mechanism works; a CPU's links are no figure. */
import {
  addLeaf,
  type ChallengeSizes,
  chooseLeaves,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  instantiateKernels,
  LEAF_BYTES,
  LEAVES_PER_SIDE,
  PAIR_ROTATIONS,
  sharedKernelsBase64,
} from '@celium/proof';
import { DeviceRefusal, type PeerMemory } from '../device.ts';
import type { CpuLayout } from './layout.ts';
import { reachCells } from './shared-file.ts';

/** The own side of a pair: the filled memory and where everything lies in it. */
interface OwnMemory {
  memory: WebAssembly.Memory;
  sizes: ChallengeSizes;
  layout: CpuLayout;
}

/** A peer that was reached. */
export interface PairWork {
  /** All digests of one step. */
  digests(q: Uint8Array): Uint8Array;
  close(): void;
}

/** Reaches a peer. Throws a DeviceRefusal where its memory is not there, or for sizes that no pair has. */
export function reachPeer({ memory, sizes, layout }: OwnMemory, { token, leaves, answers }: PeerMemory): PairWork {
  if (answers === 0 || answers % DIGESTS_PER_MERKLE_LEAF !== 0 || answers > sizes.memoryLeaves / 2) {
    throw new DeviceRefusal('refused-challenge', `a pair does not have ${answers} answers`);
  }
  const peer = reachCells(token, leaves);
  const wasm = instantiateKernels(sharedKernelsBase64, memory);
  const buffer = memory.buffer as unknown as SharedArrayBuffer;
  const bytes = new Uint8Array(buffer);
  // The threads rest meanwhile: the work areas of the first are free.
  const { scratch, counters: places, words } = layout.threads[0]!;
  const areas = { scratch, keys: layout.keys, places, words, digest: layout.digests };
  const sum = new Int32Array(buffer, words, LEAF_BYTES / 4);
  const read = new Uint8Array(LEAF_BYTES);
  const readWords = new Int32Array(read.buffer);

  function leafOf(side: 'own' | 'peer', leaf: number): Int32Array {
    if (side === 'own') return new Int32Array(buffer, layout.cells + leaf * LEAF_BYTES, LEAF_BYTES / 4);
    peer.read(leaf, read);
    return readWords;
  }

  return {
    digests(q) {
      bytes.set(q, layout.keys);
      for (let i = 0; i < answers; i++) {
        sum.fill(0);
        for (const [n, leaf] of chooseLeaves(wasm, bytes, areas, i, {
          lead: sizes.memoryLeaves,
          peer: leaves,
        }).entries()) {
          addLeaf(sum, leafOf(n < LEAVES_PER_SIDE ? 'own' : 'peer', leaf), PAIR_ROTATIONS[n]!);
        }
        wasm.digestWords(scratch, layout.keys, i, words, layout.digests + i * DIGEST_BYTES);
      }
      return Uint8Array.from(bytes.subarray(layout.digests, layout.digests + answers * DIGEST_BYTES));
    },
    close: () => peer.close(),
  };
}
