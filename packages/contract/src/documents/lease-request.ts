/** The lease request: an authority asks an agent for units of its machine. Signed by the authority's key. */

import { z } from 'zod';
import {
  durationMs,
  hex32,
  leaseKind,
  machineId,
  port,
  signedPodSpec,
  sshPublicKeyLine,
  unitId,
  unixMs,
  uuid,
} from '../fields.ts';

export const leaseRequestBody = z.looseObject({
  requestId: uuid,
  /** What the authority is; the agent checks it (market: by the manifest; validator: by the chain's permit; holder: by an allotment). */
  authorityKind: z.enum(['market', 'validator', 'holder']),
  machineId,
  /** The machine key that this request is for: a request for another machine is refused. */
  machineKey: hex32,
  units: z.array(unitId).min(1).max(64),
  kind: leaseKind,
  pod: signedPodSpec,
  /** For a check: the host port that each of the pod's ports is to have, in order, where it is free. Others are given what is free. */
  hostPorts: z.array(port).max(16).optional(),
  /** SHA-256 of the canonical pod spec. */
  podDigest: hex32,
  termMs: durationMs,
  sshKeys: z.array(sshPublicKeyLine).max(64),
  /** The first sequence number of this lease; later commands count on. */
  sequence: z.int().min(1),
  issuedAtMs: unixMs,
});

export type LeaseRequest = z.infer<typeof leaseRequestBody>;
