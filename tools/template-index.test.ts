/** The index of a template holds the hashes of its files as a real tar carries them, long names and large files included. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { indexTar } from './template-index.ts';

const folder = mkdtempSync(join(tmpdir(), 'celium-index-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('every file that a start leaves alone is there with the hash of each 64 KiB, and nothing else', async () => {
  const long = `opt/${'deep-'.repeat(30)}/${'folder'.repeat(12)}`;
  const large = randomBytes(150_000);
  for (const path of ['etc', 'run', 'root/.ssh', long]) mkdirSync(join(folder, 'root', path), { recursive: true });
  const put = (path: string, bytes: Buffer): void => writeFileSync(join(folder, 'root', path), bytes);
  put(`${long}/file`, large);
  put('etc/os-release', Buffer.from('celium'));
  put('etc/hosts', Buffer.from('changes'));
  put('etc/empty', Buffer.alloc(0));
  put('run/pid', Buffer.from('1'));
  put('root/.ssh/environment', Buffer.from('A=1'));
  for (const format of ['pax', 'gnu']) {
    const tar = join(folder, `${format}.tar`);
    execFileSync('tar', ['-c', `--format=${format}`, '-f', tar, '-C', join(folder, 'root'), '.']);
    const { files, imageBytes } = await indexTar(createReadStream(tar));
    expect(imageBytes).toBe(150_000 + 6 + 7 + 1 + 3);
    expect(new Map(files.map(({ path, bytes }) => [path, bytes]))).toEqual(
      new Map<string, number>([
        ['/etc/os-release', 6],
        [`/${long}/file`, 150_000],
      ]),
    );
    const hashes = Buffer.from(files.find((file) => file.bytes === 150_000)?.chunks ?? '', 'base64');
    expect(hashes).toHaveLength(3 * 16);
    const last = createHash('sha256').update(large.subarray(131_072)).digest().subarray(0, 16);
    expect(hashes.subarray(32)).toEqual(last);
  }
});
