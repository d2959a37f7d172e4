/** The folder of one lease that its pod sees at /run/celium: the SSH host key, and the keys that may log in. */
import { chmod, chown, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CeliumError } from '@celium/contract';
import { POD_PATHS } from './plain-profile.ts';
import type { PackedFile } from './tar.ts';

/** Whom the files belong to: root of the pod as the host sees it. */
export interface PodOwner {
  uid: number;
  gid: number;
}

export interface LeaseFolders {
  /**
   * `mounted`: pods see the folder itself. `copied`: its files are put into the container, because this process cannot
   * give files to the pod's root.
   */
  readonly delivery: 'mounted' | 'copied';
  /** The files, as they are to be put into a container. */
  pack(leaseId: string): Promise<PackedFile[]>;
  /** Path of the folder that the pod mounts; it exists while the lease does. */
  path(leaseId: string): string;
  /** True when the lease's host key is there. */
  hasKey(leaseId: string): boolean;
  /** Writes the host key. Throws `DISK_FULL`, and then nothing is left of it. */
  create(leaseId: string, hostKeyFile: string, sshKeys: readonly string[]): Promise<void>;
  /** Replaces the keys that may log in, in one step; a running pod sees it at its next login. */
  writeKeys(leaseId: string, sshKeys: readonly string[]): Promise<void>;
  /** Deletes everything of the lease. */
  remove(leaseId: string): Promise<void>;
}

const HOST_KEY = 'ssh_host_ed25519_key';
const AUTHORIZED_KEYS = 'authorized_keys';

/** Folders of leases below `stateDir/leases`; `owner` is null where we cannot give files away. */
export class StateLeaseFolders implements LeaseFolders {
  readonly #root: string;
  readonly #owner: PodOwner | null;

  constructor(stateDir: string, owner: PodOwner | null) {
    this.#root = join(stateDir, 'leases');
    this.#owner = owner;
  }

  get delivery(): 'mounted' | 'copied' {
    return this.#owner === null ? 'copied' : 'mounted';
  }

  async pack(leaseId: string): Promise<PackedFile[]> {
    const modes: Array<[name: string, mode: number]> = [
      [HOST_KEY, 0o600],
      [AUTHORIZED_KEYS, 0o644],
    ];
    const folder = POD_PATHS.lease.slice(1);
    return await Promise.all(
      modes.map(async ([name, mode]) => ({
        path: `${folder}/${name}`,
        content: await readFile(join(this.path(leaseId), name), 'utf8'),
        mode,
      })),
    );
  }

  path(leaseId: string): string {
    return join(this.#root, leaseId, 'run');
  }

  hasKey(leaseId: string): boolean {
    return existsSync(join(this.path(leaseId), HOST_KEY));
  }

  async create(leaseId: string, hostKeyFile: string, sshKeys: readonly string[]): Promise<void> {
    const folder = this.path(leaseId);
    try {
      await mkdir(folder, { recursive: true });
      await Promise.all([
        chmod(folder, 0o711),
        this.#write(join(folder, HOST_KEY), hostKeyFile, 0o600),
        this.#write(join(folder, AUTHORIZED_KEYS), keysText(sshKeys), 0o644),
        this.#own(folder),
      ]);
    } catch (fault) {
      await this.remove(leaseId);
      throw explainFull(fault, folder);
    }
  }

  async writeKeys(leaseId: string, sshKeys: readonly string[]): Promise<void> {
    const path = join(this.path(leaseId), AUTHORIZED_KEYS);
    try {
      await this.#write(`${path}.new`, keysText(sshKeys), 0o644);
      await rename(`${path}.new`, path);
    } catch (fault) {
      throw explainFull(fault, path);
    }
  }

  async remove(leaseId: string): Promise<void> {
    await rm(join(this.#root, leaseId), { recursive: true, force: true });
  }

  /** Deletes what belongs to none of these leases: a crash between folder and store leaves a key that nobody needs. */
  async removeStrays(leaseIds: ReadonlySet<string>): Promise<void> {
    const names = await readdir(this.#root).catch(() => []);
    await Promise.all(names.filter((name) => !leaseIds.has(name)).map((name) => this.remove(name)));
  }

  async #write(path: string, content: string, mode: number): Promise<void> {
    await writeFile(path, content, { mode: 0o600 });
    await Promise.all([mode === 0o600 ? undefined : chmod(path, mode), this.#own(path)]);
  }

  async #own(path: string): Promise<void> {
    if (this.#owner !== null) await chown(path, this.#owner.uid, this.#owner.gid);
  }
}

function keysText(sshKeys: readonly string[]): string {
  return sshKeys.map((line) => `${line}\n`).join('');
}

function explainFull(fault: unknown, path: string): unknown {
  if ((fault as NodeJS.ErrnoException).code !== 'ENOSPC') return fault;
  return new CeliumError('DISK_FULL', `${path} could not be written: its disk is full`, { cause: fault });
}
