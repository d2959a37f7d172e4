/** Lines out of a raw terminal stream: bounded, and deaf to everything that does not carry the frame prefix. */
import { fromBase64, toBase64 } from './bytes.ts';

/**
 * What opens a line of the validator and of the prover, and of both in a machine session. Harmless when a shell reads it; an echo of the one is
 * never taken for the other.
 */
export const LINE_PREFIX = {
  validator: ':cgp1v:',
  prover: ':cgp1p:',
  'machine-validator': ':cms1v:',
  'machine-pod': ':cms1p:',
} as const;
export type Sender = keyof typeof LINE_PREFIX;

/** Bytes of a line, newline included: the input queue of a terminal in canonical mode ends at 4,096. */
export const MAX_LINE_BYTES = 4095;

/** Bytes a frame may have so that its line fits. */
export const MAX_FRAME_BYTES = 3000;

/** Composes the line that carries a frame. Throws a RangeError for a frame that does not fit. */
export function encodeLine(sender: Sender, frame: Uint8Array): string {
  if (frame.length === 0 || frame.length > MAX_FRAME_BYTES)
    throw new RangeError(`a frame has 1 to ${MAX_FRAME_BYTES} bytes`);
  return `${LINE_PREFIX[sender]}${toBase64(frame)}\n`;
}

/** What came out of a stream: a frame's bytes, or a line with the prefix that carries none. */
export type LineEvent = { kind: 'frame'; frame: Uint8Array } | { kind: 'broken' };

const NEWLINE = 10;
const RETURN = 13;

/**
 * Splits a stream into the frames of one sender. Text before the prefix in a line is skipped (prompts, terminal escapes), lines
 * without it are noise, and a line that grows over the limit is dropped up to its end, so memory stays bounded whatever arrives.
 */
export function lineReader(sender: Sender): (chunk: Uint8Array) => LineEvent[] {
  const prefix = LINE_PREFIX[sender];
  const buffer = new Uint8Array(MAX_LINE_BYTES);
  let length = 0;
  let overflowed = false;

  function endLine(): LineEvent | null {
    const dropped = overflowed;
    const text = String.fromCharCode(...buffer.subarray(0, length));
    length = 0;
    overflowed = false;
    const at = text.lastIndexOf(prefix);
    if (at < 0) return null;
    if (dropped) return { kind: 'broken' };
    const frame = fromBase64(text.slice(at + prefix.length));
    return frame === null || frame.length === 0 ? { kind: 'broken' } : { kind: 'frame', frame };
  }

  return (chunk) => {
    const events: LineEvent[] = [];
    for (const byte of chunk) {
      if (byte === NEWLINE || byte === RETURN) {
        const event = length === 0 ? null : endLine();
        if (event !== null) events.push(event);
      } else if (length < MAX_LINE_BYTES) {
        buffer[length++] = byte;
      } else {
        overflowed = true;
      }
    }
    return events;
  };
}
