/** Transcripts as text: canonical JSON (RFC 8785), its hash, and a strict bounded reader for files of strangers. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex, utf8 } from './bytes.ts';
import type { ProofTranscript } from './contracts.ts';
import { failure, type ProofFailure } from './failures.ts';
import {
  canonicalJson,
  isBinding,
  isHash,
  isHashOrEmpty,
  isListOf,
  isOneOf,
  isOpening,
  isParamsName,
  isRecord,
} from './forms.ts';
import type { PairTranscript } from './pair/pair-transcript.ts';

/** The longest text that is read as a transcript. */
export const MAX_TRANSCRIPT_CHARS = 4_000_000;

const MAX_ROOTS = 65_536;
const MAX_OPENINGS = 4_096;

const isTranscript = isRecord({
  version: isOneOf('cgp1/transcript/1'),
  params: isParamsName,
  binding: isBinding,
  nonce: isHash,
  startNonce: isHashOrEmpty,
  auditNonce: isHashOrEmpty,
  roots: isListOf(isHash, MAX_ROOTS),
  openings: isListOf(isOpening, MAX_OPENINGS),
});

/** Whether a value has the exact form of a transcript; says nothing about its content. */
export function isProofTranscript(value: unknown): value is ProofTranscript {
  return isTranscript(value);
}

/** The canonical text of a transcript: what is stored, hashed and handed on. */
export function encodeTranscript(transcript: ProofTranscript | PairTranscript): string {
  return canonicalJson(transcript);
}

/** SHA-256 of the canonical text, hex: the transcript's name. */
export function hashTranscript(transcript: ProofTranscript | PairTranscript): string {
  return toHex(sha256(utf8(encodeTranscript(transcript))));
}

/** Reads a transcript; refuses anything that is not exactly one. */
export function parseTranscript(
  text: string,
): { ok: true; transcript: ProofTranscript } | { ok: false; failure: ProofFailure } {
  if (text.length > MAX_TRANSCRIPT_CHARS) {
    return { ok: false, failure: failure('malformed', `a transcript of more than ${MAX_TRANSCRIPT_CHARS} characters`) };
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isProofTranscript(value)) return { ok: true, transcript: value };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { ok: false, failure: failure('malformed', 'the text is not a transcript of version cgp1/transcript/1') };
}
