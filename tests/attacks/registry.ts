/** Every family of attacks, loaded only when it is played. */
import type { AttackFamily } from './family.ts';

/** By the name that `--family` takes. */
export const FAMILIES: Readonly<Record<string, () => Promise<{ family: AttackFamily }>>> = {
  'skipped-work': () => import('./content/skipped-work.ts'),
};
