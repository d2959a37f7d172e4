/** The interface of everything an audit recomputes, so that WASM and plain JavaScript can stand in for each other. */

/** A product step's kind: operand bytes as int8, or their low four bits minus 8 (exact in BF16). */
export type ProductKind = 'int8' | 'bf16';

/** One walk to recompute: the chain value at its step and its number. */
export interface WalkRequest {
  q: Uint8Array;
  walk: number;
}

/** Recomputes answers from the seed alone; every answer is an 8-byte digest. `q` is the 32-byte chain value at the answer's step. */
export interface AuditKernels {
  leafDigest(q: Uint8Array, leaf: number): Uint8Array;
  tileDigest(kind: ProductKind, q: Uint8Array, tile: number): Uint8Array;
  walkDigests(requests: readonly WalkRequest[]): Uint8Array[];
}
