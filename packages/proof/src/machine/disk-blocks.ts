/**
 * Disk blocks: 64 KiB of a seed and a number, cheap to check one by one and slow to make again.
 *
 * A block is one long chain: `passes` passes over its 1,024 cells, each cell F(cell xor the one before), up and down in turn, so that a pass cannot
 * begin before the last one has ended. More cores or a GPU make more blocks a second, and none of them one block sooner.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, fromBase64, readU32, u32Bytes, utf8 } from '../bytes.ts';
import { iterateChaCha8, CONSTANTS } from '../plain-chacha.ts';
import diskBlocksBase64 from './disk-blocks.wasm.ts';

/** Bytes of one block: the unit that is written, read and timed. */
export const DISK_BLOCK_BYTES = 65_536;
/** Passes over a block when nothing else is said: with as many passes as cells, storing parts of the chain saves no space. */
export const DISK_PASSES = 1_024;
/** Blocks that are made at once. */
export const DISK_BLOCKS_AT_ONCE = 4;

const CELLS = 1_024;
const DOMAIN_DISK = 0x6b736964;
const WORK_BYTES = 256 * CELLS;
const WASM_PAGE_BYTES = 65_536;

interface DiskExports {
  makeBlocks(work: number, key: number, numbers: number, passes: number, out: number): void;
}

/** Makes four blocks; the returned bytes (4 x 64 KiB, page-aligned) are overwritten by the next call. */
export type BlockMaker = (key: Uint8Array, numbers: readonly number[], passes: number) => Uint8Array<ArrayBuffer>;

let compiled: WebAssembly.Module | undefined;

/** A maker of blocks with its own memory, about 0.6 MB. */
export function createBlockMaker(): BlockMaker {
  if (compiled === undefined) {
    const bytes = fromBase64(diskBlocksBase64);
    if (bytes === null) throw new TypeError('the WASM module is not base64');
    compiled = new WebAssembly.Module(bytes as BufferSource);
  }
  const out = WORK_BYTES;
  const key = out + DISK_BLOCKS_AT_ONCE * DISK_BLOCK_BYTES;
  const numbers = key + 32;
  const memory = new WebAssembly.Memory({ initial: Math.ceil((numbers + 16) / WASM_PAGE_BYTES) });
  const wasm = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as DiskExports;
  const bytes = new Uint8Array(memory.buffer as ArrayBuffer);
  const view = new DataView(memory.buffer);
  return (keyBytes, wanted, passes) => {
    bytes.set(keyBytes, key);
    for (let lane = 0; lane < DISK_BLOCKS_AT_ONCE; lane++) view.setUint32(numbers + 4 * lane, wanted[lane] ?? 0, true);
    wasm.makeBlocks(0, key, numbers, passes, out);
    return bytes.subarray(out, key);
  };
}

/** One block in plain JavaScript: the oracle of the WASM, and the specification. */
export function plainDiskBlock(key: Uint8Array, number: number, passes: number): Uint8Array {
  const words = Array.from({ length: 8 }, (_, i) => readU32(key, 4 * i));
  const cells = Array.from({ length: CELLS }, (_, cell) => {
    const state = Int32Array.from([...CONSTANTS, ...words, number, cell, DOMAIN_DISK, 0]);
    iterateChaCha8(state, 1);
    return state;
  });
  for (let pass = 0; pass < passes; pass++) {
    let before: Int32Array | null = null;
    for (let i = 0; i < CELLS; i++) {
      const state: Int32Array = cells[pass % 2 === 1 ? CELLS - 1 - i : i]!;
      if (before === null) state[15]! ^= pass + 1;
      else for (let word = 0; word < 16; word++) state[word]! ^= before[word]!;
      iterateChaCha8(state, 1);
      before = state;
    }
  }
  const out = new Uint8Array(DISK_BLOCK_BYTES);
  cells.forEach((cell, i) => cell.forEach((word, j) => out.set(u32Bytes(word), 64 * i + 4 * j)));
  return out;
}

/** What the pod answers to one read: SHA-256 over the walk's nonce, the number of the hop and the block. Nothing of it can be known before the nonce. */
export function diskHopDigest(nonce: Uint8Array, hop: number, block: Uint8Array): Uint8Array {
  return sha256(concatBytes(nonce, u32Bytes(hop), block));
}

/** The block that a walk reads first (`digest` null), and the one that it reads after each answer. */
export function nextDiskBlock(nonce: Uint8Array, digest: Uint8Array | null, blocks: number): number {
  const from = digest ?? sha256(concatBytes(utf8('celium/disk/first'), nonce));
  // 48 random bits over at most 2^31 blocks: the bias is below 2^-17.
  return Number((BigInt(readU32(from, 0)) * 65_536n + BigInt(readU32(from, 4) >>> 16)) % BigInt(blocks));
}
