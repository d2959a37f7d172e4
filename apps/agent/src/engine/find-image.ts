/** Looks an image up in the engine. */
import { callEngine } from './engine-api.ts';

/** An image as pods name it: `tag` for people, `imageId` (sha256:...) for leases. */
export type ReadyImage = { tag: string; imageId: string };

/** The image with this tag, or undefined. */
export async function findImage(socket: string, tag: string): Promise<ReadyImage | undefined> {
  const answer = await callEngine(socket, 'GET', `/images/${tag}/json`, { timeoutMs: 10_000 });
  if (answer.status !== 200) return undefined;
  return { tag, imageId: (JSON.parse(answer.body) as { Id: string }).Id };
}
