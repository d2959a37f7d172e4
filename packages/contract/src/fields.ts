/** Field schemas that documents, messages and routes share. */

import { z } from 'zod';

/** 32 bytes as lowercase hex: public keys, hashes. */
export const hex32 = z.string().regex(/^[0-9a-f]{64}$/, '64 lowercase hex digits');
/** 64 bytes as lowercase hex: signatures. */
export const hex64 = z.string().regex(/^[0-9a-f]{128}$/, '128 lowercase hex digits');
/** Unix milliseconds. */
export const unixMs = z.int().min(0);
/** A count of milliseconds. */
export const durationMs = z.int().min(0);
/** bigint as a decimal string. */
export const decimal = z.string().regex(/^(0|-?[1-9][0-9]{0,38})$/, 'a whole number as a decimal string');
/** A non-negative amount as a decimal string. */
export const amount = z.string().regex(/^(0|[1-9][0-9]{0,38})$/, 'a non-negative whole number as a decimal string');
export const uuid = z.uuid();
/** SS58 address. */
export const ss58 = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{46,50}$/, 'an SS58 address');
export const machineId = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, '1 to 64 characters of a-z, 0-9 and -');
/** `GPU-<uuid>` or `cpu:<machineId>`. */
export const unitId = z
  .string()
  .regex(/^(GPU-[0-9a-f-]{8,64}|cpu:[a-z0-9-]{1,64})$/, 'GPU-<uuid> in lower case, or cpu:<machineId>');
export const port = z.int().min(1).max(65_535);
/** `ssh-ed25519 AAAA...` without comment. */
export const sshPublicKeyLine = z
  .string()
  .max(8_192)
  .regex(/^[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/, 'type and base64');
/** A place in degrees. */
export const coordinates = z.looseObject({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
});
export const leaseKind = z.enum(['paid', 'verification', 'guaranteed', 'opportunistic']);

/** What a renter asks a pod to run; see domain `PodSpec`. What is not on this list is refused by name, not dropped in silence. */
export const podSpec = z.strictObject({
  image: z.string().min(1).max(255),
  env: z.record(z.string(), z.string()).default({}),
  ports: z.array(port).max(16).default([]),
  volumeBytes: z.int().min(0).default(0),
});

/**
 * A pod spec inside a signed document: nothing is filled in and nothing dropped, so that a parsed document still has the bytes that
 * were signed.
 */
export const signedPodSpec = z.looseObject({
  image: z.string().min(1).max(255),
  env: z.record(z.string(), z.string()),
  ports: z.array(port).max(16),
  volumeBytes: z.int().min(0),
});
