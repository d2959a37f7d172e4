/** A small filesystem in a loop-mounted file, for tests of a full disk. Needs root. */

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SmallDisk {
  /** The mounted folder. */
  path: string;
  /** Takes all the space that is left. */
  fill(): Promise<void>;
  /** Gives that space back. */
  free(): Promise<void>;
  remove(): Promise<void>;
}

/** Makes and mounts an ext4 filesystem of this size. */
export async function makeSmallDisk(megabytes: number): Promise<SmallDisk> {
  const folder = await mkdtemp(join(tmpdir(), 'celium-disk-'));
  const image = join(folder, 'image');
  const path = join(folder, 'mounted');
  const file = await open(image, 'w');
  await file.truncate(megabytes * 1_048_576);
  await file.close();
  await run('mkfs.ext4', ['-q', '-m', '0', image], { timeout: 30_000 });
  await mkdir(path);
  await run('mount', ['-o', 'loop', image, path], { timeout: 30_000 });
  const ballast = join(path, 'ballast');
  return {
    path,
    async fill() {
      const { bavail, bsize } = await statfs(path);
      await writeFile(ballast, Buffer.alloc(Math.max(0, bavail - 1) * bsize)).catch(() => {});
      // What is left below one block goes byte by byte into a second file.
      const { bavail: left } = await statfs(path);
      if (left > 0) await writeFile(`${ballast}-2`, Buffer.alloc(left * bsize)).catch(() => {});
    },
    async free() {
      await rm(ballast, { force: true });
      await rm(`${ballast}-2`, { force: true });
    },
    async remove() {
      await run('umount', ['-l', path], { timeout: 30_000 });
      await rm(folder, { recursive: true, force: true });
    },
  };
}
