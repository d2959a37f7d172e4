/** The image part: a large official template that was really deployed, read back at random places over the renter's path. */

import type { MachineParts } from '@celium/contract';
import type { RandomBytes } from '../ports.ts';
import { PodSessionFault, type PodSession } from './pod-session.ts';
import { drawChunk, isChunk, type Template } from './template.ts';

/** Chunks that are read back: a share f of wrong files is missed with (1 - f)^24. */
const CHUNKS_READ = 24;

export type ImagePart = MachineParts['image'];

/** No deploy in this check. */
export function imageNotTested(code: string, message: string): ImagePart {
  return { verdict: 'not-tested', code, message, digest: '', imageBytes: 0, bytesRead: 0, deployMs: 0 };
}

/** A deploy that did not end in a pod, or not in time. */
export function imageNotDeployed(template: Template, deployMs: number, code: string, message: string): ImagePart {
  return { ...imageNotTested(code, message), verdict: 'fail', ...factsOf(template, deployMs) };
}

/** Reads chunks of the template's files in the pod. Never throws for what a pod does. */
export async function readBackImage(
  session: PodSession,
  randomBytes: RandomBytes,
  template: Template,
  deployMs: number,
): Promise<ImagePart> {
  let bytesRead = 0;
  const part = (verdict: 'pass' | 'fail', code: string, message: string): ImagePart => ({
    verdict,
    code,
    message,
    ...factsOf(template, deployMs),
    bytesRead,
  });
  try {
    for (let read = 0; read < CHUNKS_READ; read += 1) {
      const chunk = drawChunk(template, randomBytes);
      const bytes = await session.readFile(chunk.path, chunk.offset, chunk.length);
      bytesRead += bytes.length;
      if (!isChunk(chunk, bytes))
        return part('fail', 'IMAGE_WRONG_CONTENT', 'a file in the pod is not that of the template');
    }
    return part('pass', 'OK', '');
  } catch (fault) {
    if (!(fault instanceof PodSessionFault)) throw fault;
    return part('fail', 'IMAGE_UNREADABLE', fault.message);
  }
}

function factsOf(template: Template, deployMs: number) {
  const { digest, imageBytes } = template;
  return { digest, imageBytes, bytesRead: 0, deployMs: Math.round(deployMs) };
}
