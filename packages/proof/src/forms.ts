/** The exact forms of what transcripts are made of, checked by hand because this package has no schema library, and their canonical text. */
import { PARAMS_VERSION, PURPOSES, SIZE_CLASSES } from './params.ts';

const OPENED_HEX_CHARS = 128;
const MAX_PATH_HEX_CHARS = 32 * 64;

type Check = (value: unknown) => boolean;

/** 32 bytes of lowercase hex. */
export const isHash: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
export const isHashOrEmpty: Check = (value) => value === '' || isHash(value);
const isLabel: Check = (value) => typeof value === 'string' && value.length <= 128 && /^[\x20-\x7e]*$/.test(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
export const isOneOf =
  (...allowed: readonly unknown[]): Check =>
  (value) =>
    allowed.includes(value);

const isHexUpTo =
  (chars: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= chars && value.length % 2 === 0 && /^[0-9a-f]*$/.test(value);

export const isListOf =
  (check: Check, max: number): Check =>
  (value) =>
    Array.isArray(value) && value.length <= max && value.every(check);

/** An object with exactly these fields. */
export const isRecord =
  (fields: Record<string, Check>): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const names = Object.keys(value);
    if (names.length !== Object.keys(fields).length) return false;
    return names.every(
      (name) => Object.hasOwn(fields, name) && fields[name]!((value as Record<string, unknown>)[name]),
    );
  };

/** The name of a parameter record. */
export const isParamsName = isRecord({
  version: isOneOf(PARAMS_VERSION),
  sizeClass: isOneOf(...SIZE_CLASSES),
  purpose: isOneOf(...PURPOSES),
  memoryBytes: isCount,
});

/** Who a challenge is bound to. */
export const isBinding = isRecord({
  blockHash: isHash,
  hotkey: isHash,
  machineKey: isHash,
  grantHash: isHash,
  hostKeyHash: isHash,
  unit: isLabel,
  barrierId: isLabel,
});

/** One opened answer. */
export const isOpening = isRecord({
  step: isCount,
  index: isCount,
  digests: isHexUpTo(OPENED_HEX_CHARS),
  path: isHexUpTo(MAX_PATH_HEX_CHARS),
});

/** RFC 8785 for the values that occur here: objects, lists, ASCII text and whole numbers. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const record = value as Record<string, unknown>;
    const names = Object.keys(record).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(record[name])}`).join(',')}}`;
  }
  return JSON.stringify(value);
}
