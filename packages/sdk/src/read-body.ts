/** Reads an answer's text up to a bound, so that no server can fill a client's memory. */

import { CeliumError } from '@celium/contract';

/** The largest answer that is read, in bytes: a full page of manifests fits. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** The text of a response. Throws `BAD_REQUEST` when it is larger than the bound. */
export async function readBoundedText(response: Response, maxBytes = MAX_ANSWER_BYTES): Promise<string> {
  if (response.body === null) return '';
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      await reader.cancel();
      throw new CeliumError(
        'BAD_REQUEST',
        `The answer is larger than ${maxBytes} bytes: ask for fewer things at a time.`,
      );
    }
    text += decoder.decode(value, { stream: true });
  }
}
