/** Where the CLI keeps things: the XDG folders, or everything below `CELIUM_HOME`. */

import { join } from 'node:path';
import envPaths from 'env-paths';

export interface Folders {
  /** Credentials and SSH keys made by us; only its owner may read it. */
  config: string;
  /** State of programs that run on this machine. */
  state: string;
  /** Compiled sources; may be removed at any time. */
  compiled: string;
}

/** The folders for an environment. Nothing is made here. */
export function foldersOf(env: Readonly<Partial<Record<string, string>>>): Folders {
  const home = env['CELIUM_HOME'];
  if (home !== undefined && home !== '') {
    return { config: join(home, 'config'), state: join(home, 'state'), compiled: join(home, 'compiled') };
  }
  const paths = envPaths('celium', { suffix: '' });
  // env-paths calls XDG_STATE_HOME's folder `log`.
  return { config: paths.config, state: paths.log, compiled: join(paths.cache, 'compiled') };
}
