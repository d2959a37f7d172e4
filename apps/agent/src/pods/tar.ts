/** A tar archive (POSIX ustar) of a few small files that belong to root: how files get into a container without a mount. */

/** A file to pack. `path` has no leading slash and at most 100 bytes; folders above it are packed too. */
export interface PackedFile {
  path: string;
  content: string;
  mode: number;
}

const BLOCK_BYTES = 512;
const MAX_PATH_BYTES = 100;

/** Packs files, each after the folders that lead to it (mode 755). */
export function packTar(files: readonly PackedFile[]): Buffer {
  const folders = new Set<string>();
  for (const { path } of files) {
    const parts = path.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth += 1) folders.add(`${parts.slice(0, depth).join('/')}/`);
  }
  const blocks = [...folders].map((path) => header(path, 0, 0o755, '5'));
  for (const { path, content, mode } of files) {
    const bytes = Buffer.from(content);
    const padding = Buffer.alloc((BLOCK_BYTES - (bytes.length % BLOCK_BYTES)) % BLOCK_BYTES);
    blocks.push(header(path, bytes.length, mode, '0'), bytes, padding);
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)]);
}

function header(path: string, size: number, mode: number, type: '0' | '5'): Buffer {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw new RangeError(`${path} is too long for a tar header`);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, length: number): void =>
    void block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  block.write(path, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(`${type}`, 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
