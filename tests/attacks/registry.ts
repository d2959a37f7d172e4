/** Every family of attacks, loaded only when it is played. */
import type { AttackFamily } from './family.ts';

/** By the name that `--family` takes. */
export const FAMILIES: Readonly<Record<string, () => Promise<{ family: AttackFamily }>>> = {
  'skipped-work': () => import('./content/skipped-work.ts'),
  'memory-short': () => import('./content/memory-short.ts'),
  'cheap-products': () => import('./content/cheap-products.ts'),
  'wrong-binding': () => import('./content/wrong-binding.ts'),
  commitments: () => import('./content/commitments.ts'),
  'forged-documents': () => import('./content/forged-documents.ts'),
  'double-grant': () => import('./content/double-grant.ts'),
};
