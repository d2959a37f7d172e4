/** The answers of a pair: three leaves of each unit, turned against each other and added by xor, digested as a leaf is. In WASM, and plain as its oracle. */
import { CELL_BYTES, CELLS_PER_LEAF, DIGEST_BYTES, LEAF_BYTES, type ProofParams } from '../params.ts';
import { DOMAIN, iterateChaCha8, keyWords, rotl, startState } from '../plain-chacha.ts';
import { digestWords, makeCell } from '../plain-kernels.ts';
import { auditWasm, type KernelExports } from '../wasm-kernels.ts';
import { LEAVES_PER_SIDE } from './pair-sizes.ts';

/** One unit's memory as an audit makes it again. */
export interface PairMemory {
  params: ProofParams;
  seed: Uint8Array;
}

/** Recomputes the answer `index` of a step under the chain value `q`. */
export type PairDigest = (q: Uint8Array, index: number) => Uint8Array;

/** By how many bits the words of each of the six leaves are rotated: the lead's three, then the peer's. */
export const PAIR_ROTATIONS = [0, 5, 11, 16, 21, 27] as const;
const LEAF_WORDS = LEAF_BYTES / 4;
const CELL_WORDS = CELL_BYTES / 4;
/** The kernel that chooses places takes four ChaCha8 blocks at a time, eight places each. */
const PLACES_PER_BLOCK = 8;
const BLOCKS_AT_A_TIME = 4;

/** Adds a leaf to the sum: xor of its words, rotated left. */
export function addLeaf(sum: Int32Array, leaf: Int32Array, bits: number): void {
  for (let i = 0; i < LEAF_WORDS; i++) {
    const word = leaf[i]!;
    sum[i]! ^= bits === 0 ? word : rotl(word, bits);
  }
}

/** Offsets of the work areas that choosing places and digesting need. */
export interface PairAreas {
  /** 1 KiB. */
  scratch: number;
  /** The chain value, 32 bytes. */
  keys: number;
  /** 256 bytes. */
  places: number;
  /** 16 KiB: the sum of the leaves. */
  words: number;
  digest: number;
}

/** The leaves of an answer under the chain value at `areas.keys`: three of a memory of `leadLeaves` leaves, three of one of `peerLeaves`. */
export function chooseLeaves(
  wasm: KernelExports,
  bytes: Uint8Array,
  areas: PairAreas,
  index: number,
  leaves: { lead: number; peer: number },
): number[] {
  const at = index % BLOCKS_AT_A_TIME;
  const first = (index - at) * PLACES_PER_BLOCK;
  const view = new DataView(bytes.buffer, bytes.byteOffset + areas.places);
  const chosen: number[] = [];
  for (const [side, count] of [leaves.lead, leaves.peer].entries()) {
    const places = BLOCKS_AT_A_TIME * PLACES_PER_BLOCK;
    wasm.segmentCounters(areas.scratch, areas.keys, first, places, count, areas.places);
    for (let i = 0; i < LEAVES_PER_SIDE; i++) {
      const place = at * PLACES_PER_BLOCK + side * LEAVES_PER_SIDE + i;
      chosen.push(Number(view.getBigUint64(place * 8, true) / BigInt(CELLS_PER_LEAF)));
    }
  }
  return chosen;
}

/** The answers of a pair in WASM. */
export function wasmPairDigest(lead: PairMemory, peer: PairMemory): PairDigest {
  const areas = { scratch: 0, keys: 1024, places: 1152, digest: 1408, words: 2048 };
  const [leaf, seeds] = [areas.words + LEAF_BYTES, areas.words + 2 * LEAF_BYTES];
  const { wasm, bytes } = auditWasm(seeds + 64);
  bytes.set(lead.seed, seeds);
  bytes.set(peer.seed, seeds + 32);
  const sum = new Int32Array(bytes.buffer, areas.words, LEAF_WORDS);
  const words = new Int32Array(bytes.buffer, leaf, LEAF_WORDS);
  const leaves = { lead: lead.params.memoryLeaves, peer: peer.params.memoryLeaves };
  return (q, index) => {
    bytes.set(q, areas.keys);
    const chosen = chooseLeaves(wasm, bytes, areas, index, leaves);
    sum.fill(0);
    for (const [i, number] of chosen.entries()) {
      const isLeads = i < LEAVES_PER_SIDE;
      const { fillIterations } = (isLeads ? lead : peer).params;
      const counter = BigInt(number) * BigInt(CELLS_PER_LEAF);
      wasm.fillCells(areas.scratch, isLeads ? seeds : seeds + 32, fillIterations, counter, CELLS_PER_LEAF, leaf);
      addLeaf(sum, words, PAIR_ROTATIONS[i]!);
    }
    wasm.digestWords(areas.scratch, areas.keys, index, areas.words, areas.digest);
    return bytes.slice(areas.digest, areas.digest + DIGEST_BYTES);
  };
}

/** The answers of a pair in plain JavaScript, written from the definition. */
export function plainPairDigest(lead: PairMemory, peer: PairMemory): PairDigest {
  const sides = [lead, peer].map(({ params, seed }) => ({ ...params, seed: keyWords(seed) }));
  return (q, index) => {
    const key = keyWords(q);
    const random = startState(key, index, 0, DOMAIN.address);
    iterateChaCha8(random, 1);
    const sum = new Int32Array(LEAF_WORDS);
    for (const [side, { memoryLeaves, fillIterations, seed }] of sides.entries()) {
      for (let i = 0; i < LEAVES_PER_SIDE; i++) {
        const number = side * LEAVES_PER_SIDE + i;
        const leaf = Number((BigInt(random[2 * number]! >>> 0) * BigInt(memoryLeaves)) >> 32n);
        const words = new Int32Array(LEAF_WORDS);
        for (let cell = 0; cell < CELLS_PER_LEAF; cell++) {
          words.set(makeCell(seed, fillIterations, { leaf, cell }), cell * CELL_WORDS);
        }
        addLeaf(sum, words, PAIR_ROTATIONS[number]!);
      }
    }
    return digestWords(key, index, sum);
  };
}
