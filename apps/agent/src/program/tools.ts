/** The tools folder of this run: the one that was given, or one made of this Node and this checkout's prover. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CeliumError } from '@celium/contract';
import { runCommand } from '../engine/command.ts';
import { buildToolsFolder } from '../engine/tools-folder.ts';

const BUNDLE_TIMEOUT_MS = 60_000;

/** Path of the folder to mount. Throws `NOT_FOUND` for a given folder that is not there, `UNSUPPORTED` when none can be made. */
export async function toolsFolder(stateDir: string, given: string | undefined): Promise<string> {
  if (given !== undefined) {
    if (!existsSync(given)) throw new CeliumError('NOT_FOUND', `the tools folder ${given} is not there`);
    return given;
  }
  const bundle = await proverBundle(stateDir);
  const folder = await buildToolsFolder({
    dir: join(stateDir, 'tools'),
    nodePath: process.execPath,
    proverBundlePath: bundle,
  });
  return folder.path;
}

/** The prover as one file: the one that ships beside the agent, else built from this checkout. */
async function proverBundle(stateDir: string): Promise<string> {
  const shipped = fileURLToPath(new URL('./prover.mjs', import.meta.url));
  if (existsSync(shipped)) return shipped;
  const builder = fileURLToPath(new URL('../../../prover/build.ts', import.meta.url));
  const outDir = join(stateDir, 'prover');
  const built = await runCommand([process.execPath, builder, outDir], { timeoutMs: BUNDLE_TIMEOUT_MS });
  const bundle = join(outDir, 'prover.mjs');
  if (built.status !== 0 || !existsSync(bundle)) {
    throw new CeliumError('UNSUPPORTED', `the prover could not be bundled: ${built.output.trim().slice(-300)}`);
  }
  return bundle;
}
