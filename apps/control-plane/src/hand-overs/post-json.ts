/** JSON to a program of a stranger and back: no redirects, a bounded answer, and an end by the caller's signal. */
import type { PostJson } from '../ports.ts';

/** Throws what the network gives, and when the answer is larger than asked for. */
export const postJson: PostJson = async ({ url, headers, body, maxBytes, signal }) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body,
    redirect: 'error',
    signal,
  });
  return { status: response.status, text: await readBounded(response, maxBytes) };
};

async function readBounded(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream, and with it the connection.
    if (size > maxBytes) throw new RangeError(`the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
