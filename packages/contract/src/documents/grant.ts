/** The grant: the agent's answer that makes a lease. Signed by the machine key; published within a minute. */

import { z } from 'zod';
import { durationMs, hex32, leaseKind, machineId, port, sshPublicKeyLine, unitId, unixMs, uuid } from '../fields.ts';

export const grantBody = z.looseObject({
  leaseId: uuid,
  requestId: uuid,
  /** SHA-256 of the request's signing bytes. */
  requestHash: hex32,
  authority: hex32,
  machineId,
  units: z.array(unitId).min(1).max(64),
  /** Grows for every unit; later commands carry it. */
  fence: z.int().min(1),
  kind: leaseKind,
  termMs: durationMs,
  /** The pod's own SSH host public key, made for this lease. */
  hostKey: sshPublicKeyLine,
  /** Where the pod's ports are reached: `publicHost` of the manifest and these. */
  ports: z
    .array(z.looseObject({ pod: port, host: port }))
    .min(1)
    .max(64),
  /** Boot id of the machine, and of this run of the agent. */
  bootId: z.string().max(64),
  agentInstanceId: z.string().max(64),
  issuedAtMs: unixMs,
});

export type Grant = z.infer<typeof grantBody>;
