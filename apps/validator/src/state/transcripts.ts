/** Transcripts on disk under their own hash: `transcripts/<sha256>.json.gz`. A file is there whole or not at all. */

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { CeliumError } from '@celium/contract';
import { makeFolder } from './database.ts';
import { encodeTranscript, hashTranscript, type PairTranscript, type ProofTranscript } from '@celium/proof';

/** The largest transcript that is read back, in bytes of JSON. */
const MAX_TRANSCRIPT_BYTES = 16 * 1024 * 1024;

/** Transcripts kept by their hash. */
export class TranscriptFiles {
  readonly #folder: string;

  constructor(stateFolder: string) {
    this.#folder = join(stateFolder, 'transcripts');
    makeFolder(this.#folder);
  }

  /** Keeps a transcript and returns its hash once it is on disk. Throws `DISK_FULL`; nothing half-written stays. */
  keep(transcript: ProofTranscript | PairTranscript): string {
    const hash = hashTranscript(transcript);
    const file = this.#path(hash);
    if (existsSync(file)) return hash;
    const partial = `${file}.partial`;
    try {
      const descriptor = openSync(partial, 'w', 0o644);
      try {
        const bytes = gzipSync(encodeTranscript(transcript));
        for (let offset = 0; offset < bytes.length;) offset += writeSync(descriptor, bytes, offset);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(partial, file);
    } catch (cause) {
      if (existsSync(partial)) unlinkSync(partial);
      if ((cause as { code?: unknown }).code === 'ENOSPC')
        throw new CeliumError('DISK_FULL', `No room for a transcript in ${this.#folder}.`, { cause });
      throw cause;
    }
    return hash;
  }

  /** The transcript's JSON text, or null when it is not kept here. */
  read(hash: string): string | null {
    if (!/^[0-9a-f]{64}$/.test(hash)) return null;
    const file = this.#path(hash);
    if (!existsSync(file)) return null;
    return gunzipSync(readFileSync(file), { maxOutputLength: MAX_TRANSCRIPT_BYTES }).toString('utf8');
  }

  /** Removes a transcript that nothing refers to any more. */
  remove(hash: string): void {
    const file = this.#path(hash);
    if (/^[0-9a-f]{64}$/.test(hash) && existsSync(file)) unlinkSync(file);
  }

  #path(hash: string): string {
    return join(this.#folder, `${hash}.json.gz`);
  }
}
