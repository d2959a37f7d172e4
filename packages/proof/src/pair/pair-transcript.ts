/** The transcript of a pair: both units' seeds by their parts, roots and openings; everything that an offline audit needs. */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, ownHex, utf8 } from '../bytes.ts';
import { deriveSeed } from '../chain.ts';
import type { Opening, ProofBinding } from '../contracts.ts';
import { failure, type ProofFailure } from '../failures.ts';
import { isBinding, isHash, isHashOrEmpty, isListOf, isOneOf, isOpening, isParamsName, isRecord } from '../forms.ts';
import type { ParamsName } from '../params.ts';
import { MAX_PAIR_SAMPLES, MAX_PAIR_STEPS } from './pair-sizes.ts';

/** One unit of a pair: what its memory was filled from. */
export interface PairMember {
  params: ParamsName;
  binding: ProofBinding;
  /** The nonce of the unit's own challenge, hex. */
  nonce: string;
}

/** All that was said about a pair. Roots and openings are short where the chain ended early. */
export interface PairTranscript {
  version: 'cgp1/pair-transcript/1';
  /** The unit whose prover answers. */
  lead: PairMember;
  peer: PairMember;
  /** 32 random bytes each, hex; empty when they were never drawn. */
  startNonce: string;
  auditNonce: string;
  roots: string[];
  openings: Opening[];
}

/** The longest text that is read as a pair's transcript: 4,096 roots and 40 openings. */
const MAX_PAIR_TRANSCRIPT_CHARS = 1_000_000;
const PAIR_DOMAIN = 'celium/cgp1/pair';

const isMember = isRecord({ params: isParamsName, binding: isBinding, nonce: isHash });
const isForm = isRecord({
  version: isOneOf('cgp1/pair-transcript/1'),
  lead: isMember,
  peer: isMember,
  startNonce: isHashOrEmpty,
  auditNonce: isHashOrEmpty,
  roots: isListOf(isHash, MAX_PAIR_STEPS),
  openings: isListOf(isOpening, MAX_PAIR_SAMPLES),
});

/** Whether a value has the exact form of a pair's transcript; says nothing about its content. */
export function isPairTranscript(value: unknown): value is PairTranscript {
  return isForm(value);
}

/** Reads a pair's transcript; refuses anything that is not exactly one. */
export function parsePairTranscript(
  text: string,
): { ok: true; transcript: PairTranscript } | { ok: false; failure: ProofFailure } {
  const refused = { ok: false, failure: failure('malformed', 'the text is not the transcript of a pair') } as const;
  if (text.length > MAX_PAIR_TRANSCRIPT_CHARS) return refused;
  try {
    const value: unknown = JSON.parse(text);
    return isPairTranscript(value) ? { ok: true, transcript: value } : refused;
  } catch (error) {
    if (error instanceof SyntaxError) return refused;
    throw error;
  }
}

/** The seed of a unit's memory. */
export function seedOfMember({ nonce, binding }: PairMember): Uint8Array {
  return deriveSeed(ownHex(nonce), binding);
}

/** The first chain value of a pair: both seeds in their order, and a nonce that is sent only when both memories can be reached. */
export function startPairChain(leadSeed: Uint8Array, peerSeed: Uint8Array, startNonce: Uint8Array): Uint8Array {
  return sha256(concatBytes(utf8(PAIR_DOMAIN), leadSeed, peerSeed, startNonce));
}
