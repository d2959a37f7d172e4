/**
 * Bundles the prover into one file for the tools folder: `node apps/prover/build.ts OUTDIR` writes `OUTDIR/prover.mjs`. With `--cheat NAME` it
 * writes one of the dishonest provers of `src/cheats` instead, for tests that put one into a foreign tools folder.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The programs that can be built. */
const ENTRIES = {
  honest: new URL('./src/main.ts', import.meta.url),
  'skip-tiles': new URL('./src/cheats/skip-tiles.ts', import.meta.url),
  'other-seed': new URL('./src/cheats/other-seed.ts', import.meta.url),
  late: new URL('./src/cheats/late.ts', import.meta.url),
  'sparse-file': new URL('./src/machine/cheats/sparse-file.ts', import.meta.url),
  'wrapped-disk': new URL('./src/machine/cheats/wrapped-disk.ts', import.meta.url),
  'no-disk': new URL('./src/machine/cheats/no-disk.ts', import.meta.url),
  'slow-disk': new URL('./src/machine/cheats/slow-disk.ts', import.meta.url),
  'closed-ports': new URL('./src/machine/cheats/closed-ports.ts', import.meta.url),
  'swapped-image': new URL('./src/machine/cheats/swapped-image.ts', import.meta.url),
} as const;

/** The dishonest provers, by name; each is refused with another reason. */
export const CHEATS = ['skip-tiles', 'other-seed', 'late'] as const;
export type Cheat = (typeof CHEATS)[number];

/** The pods that cheat in a machine check, by name; each is refused with another reason. They answer no challenge. */
export const POD_CHEATS = [
  'sparse-file',
  'wrapped-disk',
  'no-disk',
  'slow-disk',
  'closed-ports',
  'swapped-image',
] as const;
export type PodCheat = (typeof POD_CHEATS)[number];

/**
 * Writes one self-contained program (WASM and worker threads inside) that Node >= 20 runs with nothing beside it, and returns its path:
 * the honest prover, or a dishonest one for tests.
 */
export async function buildProver(outDir: string, cheat?: Cheat | PodCheat): Promise<string> {
  mkdirSync(outDir, { recursive: true });
  const outfile = join(outDir, 'prover.mjs');
  await build({
    entryPoints: [fileURLToPath(ENTRIES[cheat ?? 'honest'])],
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

async function main(args: readonly string[]): Promise<number> {
  const [outDir, flag, name] = args;
  const cheat = [...CHEATS, ...POD_CHEATS].find((known) => known === name);
  if (outDir === undefined || (flag !== undefined && (flag !== '--cheat' || cheat === undefined))) {
    process.stderr.write(`Usage: node apps/prover/build.ts OUTDIR [--cheat ${[...CHEATS, ...POD_CHEATS].join('|')}]\n`);
    return 2;
  }
  process.stdout.write(`${await buildProver(resolve(outDir), cheat)}\n`);
  return 0;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
