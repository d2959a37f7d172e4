/** An official template for tests: the pods' base image behind a registry on loopback, by its digest, with the index that the real tool makes. */

import { execFile, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readTemplate, type Template } from '../machine-check/template.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const SOCKET = process.env['CELIUM_DOCKER_SOCK'] ?? '/var/run/docker.sock';
const LIMIT_MS = 180_000;

/** A template whose image an agent can pull until `close`. */
export interface ServedImage {
  template: Template;
  close(): Promise<void>;
}

/** Serves the base image; its index is written into `folder`. The engine no longer knows it under this name when it is ready: whoever deploys it pulls it. */
export async function serveBaseImage(folder: string): Promise<ServedImage> {
  const docker = async (...args: string[]): Promise<string> =>
    (await run('docker', ['-H', `unix://${SOCKET}`, ...args], { timeout: LIMIT_MS })).stdout;
  const [base = ''] = (await docker('images', '-q', 'celium/base')).split('\n');
  const args = ['apps/agent/src/testing/registry.ts', SOCKET, base];
  const registry = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  let image = '';
  const close = async (): Promise<void> => {
    registry.kill('SIGTERM');
    await docker('rmi', image).catch(() => {});
  };
  try {
    for await (const line of createInterface({ input: registry.stdout })) {
      image = line;
      break;
    }
    await docker('pull', image);
    const tool = ['tools/template-index.ts', 'base', image, '--docker', SOCKET];
    const { stdout } = await run(process.execPath, tool, { cwd: ROOT, timeout: LIMIT_MS, maxBuffer: 2 ** 26 });
    const file = join(folder, 'template.json');
    await writeFile(file, stdout);
    await docker('rmi', image);
    return { template: readTemplate(file), close };
  } catch (fault) {
    await close();
    throw fault;
  }
}
