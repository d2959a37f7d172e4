/** The raw Docker Engine API over its unix socket, for floors that owe nothing to our own programs. */

import { request } from 'node:http';

/** Calls the engine and parses its JSON; throws on any status of 400 or above. */
export async function engineCall<Reply = unknown>(
  socketPath: string,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  timeoutMs = 60_000,
): Promise<Reply> {
  return await new Promise<Reply>((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const call = request(
      {
        socketPath,
        method,
        path,
        timeout: timeoutMs,
        headers:
          text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString('utf8');
          const status = response.statusCode ?? 0;
          if (status >= 400)
            reject(new Error(`the engine answered ${method} ${path} with ${status}: ${answer.slice(0, 300)}`));
          else resolve((answer === '' ? undefined : JSON.parse(answer)) as Reply);
        });
      },
    );
    call.on('timeout', () => call.destroy(new Error(`the engine did not answer ${method} ${path} in ${timeoutMs} ms`)));
    call.on('error', reject);
    call.end(text);
  });
}
