/** The tools folders that machines of the attack suite mount into their pods: honest, or with one of the prover's cheats and its settings. */
import { chmod, mkdir, readlink, symlink, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildToolsFolder } from '../../../apps/agent/src/engine/tools-folder.ts';
import { buildProver, type Cheat, type PodCheat } from '../../../apps/prover/build.ts';

/** Tools folders below one folder, each built once. */
export class ToolsShop {
  readonly #folder: string;
  readonly #built = new Map<string, Promise<string>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A folder with the honest prover, or with a cheat that finds `settings` beside it. */
  async folder(cheat?: Cheat | PodCheat, settings: Record<string, number> = {}): Promise<string> {
    const key = [cheat ?? 'honest', ...Object.entries(settings).flat()].join('-');
    const known = this.#built.get(key);
    if (known !== undefined) return await known;
    const building = this.#build(key, cheat, settings);
    this.#built.set(key, building);
    return await building;
  }

  /** A folder whose prover only states a rate when it is asked to measure one: what a host that lies about its speed gives its agent. */
  async statingRate(rateUnitsPerSecond: number): Promise<string> {
    const out = join(this.#folder, 'bundles', `rate-${rateUnitsPerSecond}`);
    await mkdir(out, { recursive: true });
    const stated = JSON.stringify({ ok: true, declaredRateUnitsPerSecond: rateUnitsPerSecond });
    await writeFile(join(out, 'prover.mjs'), `console.log(${JSON.stringify(stated)});\n`);
    return out;
  }

  async #build(key: string, cheat: Cheat | PodCheat | undefined, settings: Record<string, number>): Promise<string> {
    const out = join(this.#folder, 'bundles', key);
    await buildProver(out, cheat);
    if (Object.keys(settings).length > 0) await writeFile(join(out, 'cheat.json'), JSON.stringify(settings));
    const dir = join(this.#folder, 'tools', key);
    await mkdir(dir, { recursive: true });
    const { path } = await buildToolsFolder({ dir, nodePath: process.execPath, proverBundlePath: out });
    return path;
  }
}

/** A name in a machine's state folder that stands for the tools folder in use: its owner may point it elsewhere at any time. */
export async function pointTools(link: string, folder: string): Promise<void> {
  if ((await readlink(link).catch(() => null)) === folder) return;
  await mkdir(dirname(link), { recursive: true });
  await unlink(link).catch(() => {});
  await symlink(folder, link);
}

/** Lets every user of the host through to a socket that a pod is to reach. */
export async function openToPods(socket: string): Promise<void> {
  await chmod(socket, 0o777);
}
