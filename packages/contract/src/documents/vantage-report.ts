/** The vantage report: what another point on the net measured of a pod's published port at a validator's request. Signed by its hotkey. */

import { z } from 'zod';
import { coordinates, hex32, port, unixMs } from '../fields.ts';

export const vantageReportBody = z.looseObject({
  /** Of the question; fresh, so that no report is shown twice. */
  nonce: hex32,
  host: z.string().min(1).max(253),
  port,
  /** Whether the pod's own answer came back. */
  reached: z.boolean(),
  rttMinMs: z.number().min(0),
  /** Bytes per second out of the pod and into it; 0 for a transfer that did not come through, or came wrong. */
  upBytesPerSecond: z.int().min(0),
  downBytesPerSecond: z.int().min(0),
  /** Where the vantage point stands, by its own word. */
  coordinates: coordinates.nullable(),
  atMs: unixMs,
});

export type VantageReport = z.infer<typeof vantageReportBody>;

/** What is asked of a vantage point: `POST` as a signed request by a validator with a permit. */
export const vantageAsk = z.looseObject({
  nonce: hex32,
  host: z.string().min(1).max(253),
  port,
  /** The pod's own port, and what proves to it that its validator sent us. */
  podPort: port,
  secret: hex32,
  payloadBytes: z.int().min(0).max(16_777_216),
});
export type VantageAsk = z.infer<typeof vantageAsk>;
