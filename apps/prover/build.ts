/**
 * Bundles the prover into one file for the tools folder: `node apps/prover/build.ts OUTDIR` writes `OUTDIR/prover.mjs`. With `--cheat NAME` it
 * writes one of the dishonest provers of `src/cheats` instead, for tests that put one into a foreign tools folder.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The dishonest provers, by name. */
export const CHEATS = [
  'forward',
  'inflated-pings',
  'late',
  'made-up',
  'no-memory',
  'other-seed',
  'skip-tiles',
  'slowed',
  'stale-products',
  'swapped-memory',
  'unbound-operands',
] as const;
export type Cheat = (typeof CHEATS)[number];

/** The pods that cheat in a machine check, by name; each is refused with another reason. They answer no challenge. */
export const POD_CHEATS = [
  'sparse-file',
  'wrapped-disk',
  'no-disk',
  'slow-disk',
  'closed-ports',
  'hollow-transfers',
  'late-echoes',
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
    entryPoints: [fileURLToPath(entryOf(cheat))],
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

/** A cheat is the file of its name: one that answers challenges in `src/cheats`, one of machine checks in `src/machine/cheats`. */
function entryOf(cheat: Cheat | PodCheat | undefined): URL {
  if (cheat === undefined) return new URL('src/main.ts', import.meta.url);
  const folder = (POD_CHEATS as readonly string[]).includes(cheat) ? 'src/machine/cheats' : 'src/cheats';
  return new URL(`${folder}/${cheat}.ts`, import.meta.url);
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
