/** The index of an official template: which image, how large, and a hash of every 64 KiB of its files, so that a validator can check it without holding it. */

import { z } from 'zod';

/** Names this form and its version. */
export const TEMPLATE_INDEX_FORM = 'celium/template-index/1';
/** Bytes of one chunk; the last of a file is shorter. */
export const TEMPLATE_CHUNK_BYTES = 65_536;
/** Bytes of a chunk's hash: the first half of its SHA-256. */
export const TEMPLATE_HASH_BYTES = 16;

export const templateIndex = z.looseObject({
  form: z.literal(TEMPLATE_INDEX_FORM),
  name: z.string().min(1).max(64),
  /** With its digest: `registry/name@sha256:...`. */
  image: z
    .string()
    .regex(/@sha256:[0-9a-f]{64}$/, 'an image by its digest')
    .max(255),
  /** Bytes of all its files. */
  imageBytes: z.int().min(1),
  /** Regular files that a start does not change. */
  files: z
    .array(
      z.looseObject({
        path: z.string().startsWith('/').max(1_024),
        bytes: z.int().min(1),
        /** Hashes of its chunks, one after another, base64. */
        chunks: z.string(),
      }),
    )
    .min(1)
    .max(2_000_000),
});
export type TemplateIndex = z.infer<typeof templateIndex>;
