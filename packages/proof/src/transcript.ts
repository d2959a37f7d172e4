/** Transcripts as text: canonical JSON (RFC 8785), its hash, and a strict bounded reader for files of strangers. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex, utf8 } from './bytes.ts';
import type { ProofTranscript } from './contracts.ts';
import { failure, type ProofFailure } from './failures.ts';
import { PARAMS_VERSION, PURPOSES, SIZE_CLASSES } from './params.ts';

/** The longest text that is read as a transcript. */
export const MAX_TRANSCRIPT_CHARS = 4_000_000;

const MAX_ROOTS = 65_536;
const MAX_OPENINGS = 4_096;
const OPENED_HEX_CHARS = 128;
const MAX_PATH_HEX_CHARS = 32 * 64;

type Check = (value: unknown) => boolean;

const isHash: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isHashOrEmpty: Check = (value) => value === '' || isHash(value);
const isLabel: Check = (value) => typeof value === 'string' && value.length <= 128 && /^[\x20-\x7e]*$/.test(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isOneOf =
  (...allowed: readonly unknown[]): Check =>
  (value) =>
    allowed.includes(value);

const isHexUpTo =
  (chars: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= chars && value.length % 2 === 0 && /^[0-9a-f]*$/.test(value);

const isListOf =
  (check: Check, max: number): Check =>
  (value) =>
    Array.isArray(value) && value.length <= max && value.every(check);

/** An object with exactly these fields. */
const isRecord =
  (fields: Record<string, Check>): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const names = Object.keys(value);
    if (names.length !== Object.keys(fields).length) return false;
    return names.every(
      (name) => Object.hasOwn(fields, name) && fields[name]!((value as Record<string, unknown>)[name]),
    );
  };

const isTranscript = isRecord({
  version: isOneOf('cgp1/transcript/1'),
  params: isRecord({
    version: isOneOf(PARAMS_VERSION),
    sizeClass: isOneOf(...SIZE_CLASSES),
    purpose: isOneOf(...PURPOSES),
    memoryBytes: isCount,
  }),
  binding: isRecord({
    blockHash: isHash,
    hotkey: isHash,
    machineKey: isHash,
    grantHash: isHash,
    hostKeyHash: isHash,
    unit: isLabel,
    barrierId: isLabel,
  }),
  nonce: isHash,
  startNonce: isHashOrEmpty,
  auditNonce: isHashOrEmpty,
  roots: isListOf(isHash, MAX_ROOTS),
  openings: isListOf(
    isRecord({
      step: isCount,
      index: isCount,
      digests: isHexUpTo(OPENED_HEX_CHARS),
      path: isHexUpTo(MAX_PATH_HEX_CHARS),
    }),
    MAX_OPENINGS,
  ),
});

/** Whether a value has the exact form of a transcript; says nothing about its content. */
export function isProofTranscript(value: unknown): value is ProofTranscript {
  return isTranscript(value);
}

/** RFC 8785 for the values that occur here: objects, lists, ASCII text and whole numbers. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const record = value as Record<string, unknown>;
    const names = Object.keys(record).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(record[name])}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

/** The canonical text of a transcript: what is stored, hashed and handed on. */
export function encodeTranscript(transcript: ProofTranscript): string {
  return canonicalJson(transcript);
}

/** SHA-256 of the canonical text, hex: the transcript's name. */
export function hashTranscript(transcript: ProofTranscript): string {
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
