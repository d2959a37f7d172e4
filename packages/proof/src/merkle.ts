/** Merkle trees over answer digests: eight 8-byte digests make one 64-byte leaf; a lone last node moves up unchanged. */
import { sha256 } from '@noble/hashes/sha2.js';
import { DIGEST_BYTES, DIGESTS_PER_MERKLE_LEAF } from './params.ts';

const LEAF_INPUT_BYTES = DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF;
const HASH_BYTES = 32;

/** SHA-256 of 64 bytes and a tag that follows them, so that words stay aligned: 0 for leaves, 1 for inner nodes. */
function hashTagged(input: Uint8Array, tag: number): Uint8Array {
  const bytes = new Uint8Array(LEAF_INPUT_BYTES + 1);
  bytes.set(input);
  bytes[LEAF_INPUT_BYTES] = tag;
  return sha256(bytes);
}

function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LEAF_INPUT_BYTES + 1);
  bytes.set(left);
  bytes.set(right, HASH_BYTES);
  bytes[LEAF_INPUT_BYTES] = 1;
  return sha256(bytes);
}

/** A tree with all its levels, leaves first. */
export interface MerkleTree {
  levels: readonly (readonly Uint8Array[])[];
  root: Uint8Array;
}

/** Builds the tree over `digests` (8 bytes per answer; the number of answers is a multiple of 8 and not 0). */
export function buildTree(digests: Uint8Array): MerkleTree {
  if (digests.length === 0 || digests.length % LEAF_INPUT_BYTES !== 0) {
    throw new RangeError(`${digests.length} bytes of digests make no whole Merkle leaves`);
  }
  let level: Uint8Array[] = [];
  for (let at = 0; at < digests.length; at += LEAF_INPUT_BYTES) {
    level.push(hashTagged(digests.subarray(at, at + LEAF_INPUT_BYTES), 0));
  }
  const levels = [level];
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const right = level[i + 1];
      above.push(right === undefined ? level[i]! : hashNode(level[i]!, right));
    }
    levels.push(above);
    level = above;
  }
  return { levels, root: level[0]! };
}

/** Sibling hashes between Merkle leaf `leaf` of `leaves` and the root. */
export function pathLength(leaf: number, leaves: number): number {
  let length = 0;
  for (let at = leaf, width = leaves; width > 1; at = Math.floor(at / 2), width = Math.ceil(width / 2)) {
    if ((at ^ 1) < width) length += 1;
  }
  return length;
}

/** The siblings of Merkle leaf `leaf`, bottom first, as one array of 32-byte hashes. */
export function merklePath(tree: MerkleTree, leaf: number): Uint8Array {
  const siblings: Uint8Array[] = [];
  let at = leaf;
  for (const level of tree.levels) {
    const sibling = level.length > 1 ? level[at ^ 1] : undefined;
    if (sibling !== undefined) siblings.push(sibling);
    at = Math.floor(at / 2);
  }
  const path = new Uint8Array(siblings.length * HASH_BYTES);
  for (const [i, sibling] of siblings.entries()) path.set(sibling, i * HASH_BYTES);
  return path;
}

/** The root that 64 bytes of digests and a path lead to; null when the path has not exactly the length it must have. */
export function rootOfPath(digests: Uint8Array, leaf: number, leaves: number, path: Uint8Array): Uint8Array | null {
  if (digests.length !== LEAF_INPUT_BYTES || path.length !== pathLength(leaf, leaves) * HASH_BYTES) return null;
  let node = hashTagged(digests, 0);
  let used = 0;
  for (let at = leaf, width = leaves; width > 1; at = Math.floor(at / 2), width = Math.ceil(width / 2)) {
    if ((at ^ 1) >= width) continue;
    const sibling = path.subarray(used, used + HASH_BYTES);
    used += HASH_BYTES;
    node = at % 2 === 0 ? hashNode(node, sibling) : hashNode(sibling, node);
  }
  return node;
}
