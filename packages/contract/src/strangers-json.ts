/** Reads JSON that strangers wrote: nesting is bounded before anything is built, since a megabyte of brackets takes a second that other work waits for. */

import { MAX_CANONICAL_DEPTH } from './signing.ts';

const QUOTE = 34;
const BACKSLASH = 92;
/** `[` and `{`, `]` and `}`: each pair differs in the one bit that is masked away. */
const OPENS = 91;
const CLOSES = 93;
const ONE_SHAPE = ~32;

/**
 * The value of a JSON text whose length is bounded already.
 *
 * @throws SyntaxError for what is no JSON, and for what is nested deeper than any document may be (`MAX_CANONICAL_DEPTH`)
 */
export function parseStrangersJson(text: string): unknown {
  if (isNestedDeeper(text, MAX_CANONICAL_DEPTH))
    throw new SyntaxError(`nested deeper than ${MAX_CANONICAL_DEPTH} levels`);
  return JSON.parse(text);
}

function isNestedDeeper(text: string, most: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) quoted = !quoted;
    else if (quoted) at += code === BACKSLASH ? 1 : 0;
    else if ((code & ONE_SHAPE) === OPENS) depth += 1;
    else if ((code & ONE_SHAPE) === CLOSES) depth -= 1;
    if (depth > most) return true;
  }
  return false;
}
