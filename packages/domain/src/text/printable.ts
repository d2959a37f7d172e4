/** Text that strangers wrote, made safe to show: the one rule behind tables, logs, receipts, status pages and answers. */

/**
 * Code points that steer a terminal or hide what a line says: controls, formats (text direction, zero width), separators of lines and paragraphs, lone
 * surrogates, private use, and what Unicode has not assigned.
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;
/** More marks than this on one letter grow over the lines around it. */
const PILED_MARKS = /(\p{M}{4})\p{M}+/gu;
const BEYOND_ASCII = /[^\x20-\x7e]/g;
const NO_PLAIN_JSON = /[^\x20-\x7e\n]/;

/** One line for a person, in any script: every unseen code point becomes `?`, line breaks and tabs a space. At most `maxLength` code units. */
export function printable(text: string, maxLength = Number.POSITIVE_INFINITY): string {
  return text
    .slice(0, maxLength)
    .replace(PILED_MARKS, '$1')
    .replace(UNSEEN, (char) => (char === '\n' || char === '\t' ? ' ' : '?'));
}

/** Several lines for a person: as `printable`, but line breaks and tabs stay. */
export function printableLines(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(PILED_MARKS, '$1')
    .replace(UNSEEN, (char) => (char === '\n' || char === '\t' ? char : '?'));
}

/** One line of printable ASCII, for what is signed and kept: everything else becomes `?`. At most `maxLength` characters. */
export function printableAscii(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replace(BEYOND_ASCII, '?');
}

/** JSON text that says the same with every unseen code point escaped: what is logged or answered holds no raw byte that steers a terminal. */
export function printableJson(json: string): string {
  if (!NO_PLAIN_JSON.test(json)) return json;
  return json.replace(UNSEEN, (char) => (char === '\n' ? char : escaped(char)));
}

/** `\uXXXX` for each code unit. */
function escaped(char: string): string {
  let text = '';
  for (let i = 0; i < char.length; i++) text += `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return text;
}
