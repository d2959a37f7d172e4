/** Official templates as a validator holds them: an index of hashes for each, and chunks drawn from it; the image itself is never here. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  CeliumError,
  TEMPLATE_CHUNK_BYTES,
  TEMPLATE_HASH_BYTES,
  templateIndex,
  type TemplateIndex,
} from '@celium/contract';
import type { RandomBytes } from '../ports.ts';

/** A template by its index. */
export interface Template {
  name: string;
  image: string;
  /** `sha256:...` of the image. */
  digest: string;
  imageBytes: number;
  files: ReadonlyArray<{ path: string; bytes: number; hashes: Buffer; chunksBefore: number }>;
  chunks: number;
}

/** One chunk of a file. */
export interface Chunk {
  path: string;
  offset: number;
  length: number;
  hash: Buffer;
}

/** Reads an index file. Throws `USAGE` with words for whoever named the file. */
export function readTemplate(file: string): Template {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CeliumError('USAGE', `--template ${file}: cannot be read as JSON.`, { cause });
  }
  const parsed = templateIndex.safeParse(json);
  const template = parsed.success ? templateOf(parsed.data) : null;
  if (template === null) throw new CeliumError('USAGE', `--template ${file}: is no template index.`);
  return template;
}

/** Null when hashes and sizes do not fit each other. */
export function templateOf(index: TemplateIndex): Template | null {
  let chunks = 0;
  const files = [];
  for (const { path, bytes, chunks: text } of index.files) {
    const hashes = Buffer.from(text, 'base64');
    const own = Math.ceil(bytes / TEMPLATE_CHUNK_BYTES);
    if (hashes.length !== own * TEMPLATE_HASH_BYTES) return null;
    files.push({ path, bytes, hashes, chunksBefore: chunks });
    chunks += own;
  }
  const { name, image, imageBytes } = index;
  return { name, image, digest: image.slice(image.indexOf('@') + 1), imageBytes, files, chunks };
}

/** A chunk drawn uniformly from all chunks of a template. */
export function drawChunk(template: Template, randomBytes: RandomBytes): Chunk {
  const draw = Buffer.from(randomBytes(6)).readUIntBE(0, 6) % template.chunks;
  let low = 0;
  for (let high = template.files.length - 1; low < high;) {
    const middle = Math.ceil((low + high) / 2);
    if ((template.files[middle]?.chunksBefore ?? 0) <= draw) low = middle;
    else high = middle - 1;
  }
  const file = template.files[low];
  if (file === undefined) throw new Error('a template without files');
  const index = draw - file.chunksBefore;
  const offset = index * TEMPLATE_CHUNK_BYTES;
  return {
    path: file.path,
    offset,
    length: Math.min(TEMPLATE_CHUNK_BYTES, file.bytes - offset),
    hash: file.hashes.subarray(index * TEMPLATE_HASH_BYTES, (index + 1) * TEMPLATE_HASH_BYTES),
  };
}

/** Whether bytes are the chunk's. */
export function isChunk(chunk: Chunk, bytes: Uint8Array): boolean {
  const hash = createHash('sha256').update(bytes).digest().subarray(0, TEMPLATE_HASH_BYTES);
  return bytes.length === chunk.length && Buffer.compare(hash, chunk.hash) === 0;
}
