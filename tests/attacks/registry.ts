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
  pairs: () => import('./content/pairs.ts'),
  sampling: () => import('./sampling/sampling.ts'),
  'weaker-device': () => import('./timing/weaker-device.ts'),
  'shared-device': () => import('./timing/shared-device.ts'),
  'missing-memory': () => import('./timing/missing-memory.ts'),
  distance: () => import('./timing/distance.ts'),
  'slow-after-check': () => import('./timing/slow-after-check.ts'),
  'needs-gpu': () => import('./needs-gpu.ts'),
  'real-time-work': () => import('./real-time/work.ts'),
  'real-time-memory': () => import('./real-time/memory.ts'),
  'real-time-sharing': () => import('./real-time/sharing.ts'),
  'real-time-relay': () => import('./real-time/relay.ts'),
  'real-time-identity': () => import('./real-time/identity.ts'),
  'real-time-change': () => import('./real-time/change.ts'),
  'real-time-surroundings': () => import('./real-time/surroundings.ts'),
};
