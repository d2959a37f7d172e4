/** A full disk under the engine: one error that says so, and no half-made image. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { baseImageTag, ensureBaseImage } from './base-image.ts';
import { findImage } from './find-image.ts';
import { startPrivateEngine } from './private-engine.ts';

const run = promisify(execFile);

test.runIf(process.getuid?.() === 0)(
  'an engine whose disk is too small for the base image names the disk, and keeps nothing of the image',
  async () => {
    const sandbox = mkdtempSync(join(tmpdir(), 'celium-full-'));
    const mounted = join(sandbox, 'mounted');
    mkdirSync(mounted);
    // Remapped users have to pass through every folder above the engine's.
    chmodSync(sandbox, 0o755);
    await run('truncate', ['-s', '64M', join(sandbox, 'disk.img')]);
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', join(sandbox, 'disk.img')]);
    await run('mount', ['-o', 'loop', join(sandbox, 'disk.img'), mounted]);
    try {
      const engine = await startPrivateEngine(join(mounted, 'engine'));
      try {
        await expect(
          ensureBaseImage({ socket: engine.socket, cacheDir: '/var/lib/celium/cache' }),
        ).rejects.toMatchObject({ code: 'DISK_FULL' });
        expect(await findImage(engine.socket, baseImageTag())).toBeUndefined();
      } finally {
        await engine.remove();
      }
    } finally {
      await run('umount', [mounted]);
      rmSync(sandbox, { recursive: true, force: true });
    }
  },
  120_000,
);
