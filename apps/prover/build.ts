/** Bundles the prover into one file for the tools folder: `node apps/prover/build.ts OUTDIR` writes `OUTDIR/prover.mjs`. */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * Writes one self-contained program (WASM and worker threads inside) that Node >= 20 runs with nothing beside it. Returns its path.
 * `entry` is another program with the same shape, for tests that need a dishonest one.
 */
export async function buildProver(outDir: string, entry: string = join(here, 'src/main.ts')): Promise<string> {
  mkdirSync(outDir, { recursive: true });
  const outfile = join(outDir, 'prover.mjs');
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    legalComments: 'none',
    logLevel: 'error',
  });
  return outfile;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const outDir = process.argv[2];
  if (outDir === undefined) {
    process.stderr.write('Usage: node apps/prover/build.ts OUTDIR\n');
    process.exitCode = 2;
  } else {
    process.stdout.write(`${await buildProver(resolve(outDir))}\n`);
  }
}
