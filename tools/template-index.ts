/**
 * Makes the index of an official template: `node tools/template-index.ts NAME IMAGE [--docker SOCKET] > index.json`, with IMAGE by its digest. The engine
 * has to have the image; a container of it is created, exported and removed, never started.
 */
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import type { Readable } from 'node:stream';
import {
  TEMPLATE_CHUNK_BYTES,
  TEMPLATE_HASH_BYTES,
  TEMPLATE_INDEX_FORM,
  type TemplateIndex,
} from '../packages/contract/src/documents/template-index.ts';

const BLOCK = 512;
const CALL_MS = 30 * 60_000;
/** What a start writes anew, or mounts something over. */
const CHANGED_BY_A_START =
  /^\/(?:dev|proc|sys|run|tmp|var\/(?:run|tmp|log|lib\/apt)|root\/\.ssh|workspace|\.celium|\.dockerenv$|etc\/(?:hosts|hostname|resolv\.conf|mtab)$)/;

type IndexedFile = TemplateIndex['files'][number];

/** Reads a tar stream once and hashes the regular files that a start does not change, chunk by chunk. */
export async function indexTar(tar: AsyncIterable<Buffer>): Promise<{ files: IndexedFile[]; imageBytes: number }> {
  const files: IndexedFile[] = [];
  let imageBytes = 0;
  let longName: string | null = null;
  const source = reader(tar);
  for (;;) {
    const head = await source.take(BLOCK);
    if (head === null || head.every((byte) => byte === 0)) return { files, imageBytes };
    const bytes = sizeOf(head);
    const type = String.fromCharCode(head[156] ?? 0);
    const padding = (BLOCK - (bytes % BLOCK)) % BLOCK;
    if (type === 'x' || type === 'L') {
      const text = ((await source.take(bytes)) ?? Buffer.alloc(0)).toString('utf8');
      longName = type === 'L' ? text.replace(/\0+$/, '') : (/(?:^|\n)\d+ path=([^\n]*)\n/.exec(text)?.[1] ?? longName);
      await source.take(padding);
      continue;
    }
    const path = `/${longName ?? nameOf(head)}`.replace(/^\/\.?\//, '/');
    longName = null;
    const regular = type === '0' || type === '\0';
    const kept = regular && bytes > 0 && path.length <= 1_024 && !CHANGED_BY_A_START.test(path);
    const hashes: Buffer[] = [];
    for (let left = bytes; left > 0;) {
      const chunk = await source.take(Math.min(TEMPLATE_CHUNK_BYTES, left));
      if (chunk === null) throw new Error(`${path} is cut short`);
      if (kept) hashes.push(createHash('sha256').update(chunk).digest().subarray(0, TEMPLATE_HASH_BYTES));
      left -= chunk.length;
    }
    await source.take(padding);
    if (regular) imageBytes += bytes;
    if (kept) files.push({ path, bytes, chunks: Buffer.concat(hashes).toString('base64') });
  }
}

/** Exactly as many bytes as are asked for; null at the end of the stream. */
function reader(stream: AsyncIterable<Buffer>): { take(bytes: number): Promise<Buffer | null> } {
  const chunks = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return {
    async take(bytes) {
      const parts = [rest];
      let have = rest.length;
      while (have < bytes) {
        const next = await chunks.next();
        if (next.done === true) return null;
        parts.push(next.value);
        have += next.value.length;
      }
      const all = parts.length === 1 ? rest : Buffer.concat(parts);
      rest = all.subarray(bytes);
      return all.subarray(0, bytes);
    },
  };
}

function nameOf(head: Buffer): string {
  const text = (from: number, length: number): string => {
    const field = head.subarray(from, from + length);
    const end = field.indexOf(0);
    return field.subarray(0, end < 0 ? length : end).toString('utf8');
  };
  const prefix = text(257, 5) === 'ustar' ? text(345, 155) : '';
  return prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`;
}

/** Octal, or base 256 for what octal cannot say. */
function sizeOf(head: Buffer): number {
  const field = head.subarray(124, 136);
  if (((field[0] ?? 0) & 0x80) !== 0) return Number(field.readBigUInt64BE(4));
  return Number.parseInt(field.toString('latin1').replace(/[\0 ]+$/, ''), 8) || 0;
}

function call(
  socket: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Readable & { statusCode?: number }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const ask = request({ socketPath: socket, method, path, headers, timeout: CALL_MS }, resolve);
    ask.once('error', reject);
    ask.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function main(args: readonly string[]): Promise<number> {
  const [name, image, flag, given] = args;
  const socket = flag === '--docker' && given !== undefined ? given : '/var/run/docker.sock';
  if (name === undefined || image === undefined || !/@sha256:[0-9a-f]{64}$/.test(image)) {
    process.stderr.write('Usage: node tools/template-index.ts NAME IMAGE@sha256:DIGEST [--docker SOCKET]\n');
    return 2;
  }
  const created = await call(socket, 'POST', '/containers/create', { Image: image });
  const answer = JSON.parse(Buffer.concat(await created.toArray()).toString('utf8')) as {
    Id?: string;
    message?: string;
  };
  if (answer.Id === undefined) throw new Error(`the engine makes no container of ${image}: ${answer.message}`);
  try {
    const tar = await call(socket, 'GET', `/containers/${answer.Id}/export`);
    const { files, imageBytes } = await indexTar(tar);
    // What pads the end of a tar is not read; a stream left open would keep this program alive.
    tar.destroy();
    const index: TemplateIndex = { form: TEMPLATE_INDEX_FORM, name, image, imageBytes, files };
    process.stdout.write(`${JSON.stringify(index)}\n`);
  } finally {
    (await call(socket, 'DELETE', `/containers/${answer.Id}?force=1&v=1`)).resume();
  }
  return 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
