/** Who runs PostgreSQL: ourselves, or an unprivileged account when we are root, since PostgreSQL refuses to run as root. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { CeliumError } from '@celium/contract';

/** A uid and gid to spawn as; `name` is the account's name in passwd. */
export type ServerAccount = { uid: number; gid: number; name: string };

/** `postgres`, else `nobody`, when we are root; undefined (spawn as ourselves) otherwise. Creates no account. */
export function chooseAccount(
  uid = process.getuid?.() ?? -1,
  passwd = readFileSync('/etc/passwd', 'utf8'),
): ServerAccount | undefined {
  if (uid !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const fields = passwd
      .split('\n')
      .map((line) => line.split(':'))
      .find((parts) => parts[0] === name);
    const account = { uid: Number(fields?.[2]), gid: Number(fields?.[3]), name };
    if (Number.isInteger(account.uid) && account.uid > 0 && Number.isInteger(account.gid)) return account;
  }
  throw new CeliumError(
    'DATABASE_UNAVAILABLE',
    'PostgreSQL refuses to run as root, and this machine has neither an account "postgres" nor "nobody" to run it as. Set DATABASE_URL, or add one of the two accounts.',
  );
}

/**
 * True when the account can enter every folder on the way to `path` and has `access` to what is there, by mode bits:
 * `read` a file or list a folder, or only `enter` a folder.
 */
export function isReachable(
  path: string,
  account: ServerAccount | undefined,
  access: 'read' | 'enter' = 'read',
): boolean {
  if (account === undefined) return true;
  let current: string;
  try {
    current = realpathSync(path);
  } catch {
    return false;
  }
  for (let needed = access === 'read' ? 0o5 : 0o1; ; needed = 0o1) {
    const { mode, uid, gid } = statSync(current);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    if (((mode >> shift) & needed) !== needed) return false;
    if (current === '/') return true;
    current = dirname(current);
  }
}
