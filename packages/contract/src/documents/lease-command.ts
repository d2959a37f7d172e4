/** A later command on a lease: stop it, renew its term, change its SSH keys. Signed by the authority that holds the lease. */

import { z } from 'zod';
import { durationMs, machineId, sshPublicKeyLine, unixMs, uuid } from '../fields.ts';

export const leaseCommandBody = z.looseObject({
  leaseId: uuid,
  requestId: uuid,
  machineId,
  fence: z.int().min(1),
  /** Counts up within the lease; an older one is refused. */
  sequence: z.int().min(2),
  action: z.discriminatedUnion('type', [
    z.looseObject({ type: z.literal('stop') }),
    /** The term counts anew from now on the agent's monotonic clock. */
    z.looseObject({ type: z.literal('renew'), termMs: durationMs }),
    z.looseObject({ type: z.literal('set-ssh-keys'), sshKeys: z.array(sshPublicKeyLine).max(64) }),
  ]),
  issuedAtMs: unixMs,
});

export type LeaseCommand = z.infer<typeof leaseCommandBody>;
