/** Builds the scripted NVML library with the machine's C compiler, for tests and for the attack suite's hooked NVML. */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCE = join(import.meta.dirname, 'fake-nvml.c');
const COMPILERS = ['cc', 'gcc', 'clang', 'tcc'];
const TIMEOUT_MS = 60_000;

/** The environment variable that names the script of a fake library. */
const SCRIPT_VARIABLE = 'CELIUM_FAKE_NVML';

/** The first C compiler on the path, or null. */
export function findCompiler(): string | null {
  const folders = (process.env.PATH ?? '').split(':');
  for (const name of COMPILERS) {
    const folder = folders.find((one) => existsSync(join(one, name)));
    if (folder !== undefined) return join(folder, name);
  }
  return null;
}

/** A library that answers by its script: `library` is what to load, `say` writes the script anew. */
export interface FakeNvml {
  library: string;
  /** To be set for whoever loads the library. */
  environment: Record<string, string>;
  say(lines: Record<string, string | number>): void;
}

/** Builds the library in `folder`. Throws when the compiler fails. */
export function buildFakeNvml(compiler: string, folder: string): FakeNvml {
  const library = join(folder, 'libnvidia-ml.so.1');
  const script = join(folder, 'nvml-script');
  execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-o', library, SOURCE], { timeout: TIMEOUT_MS, stdio: 'pipe' });
  const say = (lines: Record<string, string | number>): void =>
    writeFileSync(
      script,
      Object.entries(lines)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    );
  say({ gpus: 0 });
  return { library, environment: { [SCRIPT_VARIABLE]: script }, say };
}
