/**
 * What agent and market say over the agent's one outward WebSocket (`AGENT_SOCKET_PATH`), one JSON object per text frame.
 *
 * The upgrade request is a signed request by the machine key for the market's public key. The agent's first frame is `hello`.
 * Nothing here is trusted for more than the machine key that signed the upgrade: whatever binds money or units is a signed document.
 */

import { z } from 'zod';
import { signedSchema } from './documents/envelope.ts';
import { durationMs, hex32, machineId, unitId, uuid } from './fields.ts';

export const AGENT_SOCKET_PATH = '/v1/agent/socket';
/** Subprotocol of the socket: its major version. */
export const AGENT_SOCKET_PROTOCOL = 'celium-agent-1';
/** How often an agent sends a heartbeat, in milliseconds. */
export const HEARTBEAT_INTERVAL_MS = 10_000;
/** How often an agent tells its markets what its host is like, in milliseconds; what is twice as old says nothing any more. */
export const INVENTORY_INTERVAL_MS = 900_000;
/** Largest frame either side accepts, in bytes (a manifest of 1,000 machines fits). */
export const MAX_FRAME_BYTES = 1_310_720;

/** One lease as the agent sees its container. */
export const leaseStatus = z.looseObject({
  leaseId: uuid,
  requestId: uuid,
  fence: z.int().min(1),
  /** `pulling` and `starting` come before `ready`; `gone` is the last word. */
  state: z.enum(['granted', 'pulling', 'starting', 'ready', 'stopping', 'gone']),
  /** Id of the container, once there is one. */
  podInstance: z.string().max(128).nullable(),
  /** How long the pod has been ready, cumulative, on the agent's monotonic clock. */
  cumulativeMs: durationMs,
  /** Why it is gone, and words for people. */
  goneReason: z.enum(['stopped', 'start-failed', 'pod-died', 'term-over', 'provider-ended']).nullable(),
  detail: z.string().max(2_000).nullable(),
});
export type LeaseStatus = z.infer<typeof leaseStatus>;

const agentIdentity = {
  machineId,
  /** The machine's boot id and this run of the agent. */
  bootId: z.string().min(1).max(64),
  agentInstanceId: z.string().min(1).max(64),
};

/** Agent to market. */
export const agentFrame = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('hello'),
    ...agentIdentity,
    version: z.string().max(32),
    manifest: signedSchema('manifest'),
    /** All open leases of this market, and those that ended while it was away. */
    leases: z.array(leaseStatus).max(1_000),
    units: z.array(unitId).max(64),
  }),
  z.looseObject({ type: z.literal('heartbeat'), ...agentIdentity, leases: z.array(leaseStatus).max(1_000) }),
  /** Sent at once when a lease's state changes. */
  z.looseObject({ type: z.literal('lease-status'), ...agentIdentity, lease: leaseStatus }),
  /** What the agent sees of its host, soon after the `welcome` and every `INVENTORY_INTERVAL_MS` after that: hints, from which the market makes alarms. */
  z.looseObject({ type: z.literal('inventory'), inventory: signedSchema('inventory') }),
  z.looseObject({ type: z.literal('grant'), grant: signedSchema('grant') }),
  z.looseObject({ type: z.literal('lease-refusal'), refusal: signedSchema('lease-refusal') }),
  z.looseObject({
    type: z.literal('command-result'),
    leaseId: uuid,
    sequence: z.int(),
    ok: z.boolean(),
    code: z.string().max(64).optional(),
    message: z.string().max(500).optional(),
  }),
  z.looseObject({
    type: z.literal('logs'),
    queryId: uuid,
    ok: z.boolean(),
    /** Text of the container's output, newest last; cut from the front when too long. */
    text: z.string().max(1_048_576).optional(),
    code: z.string().max(64).optional(),
    message: z.string().max(500).optional(),
  }),
]);
export type AgentFrame = z.infer<typeof agentFrame>;

/** Market to agent. */
export const marketFrame = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('welcome'),
    marketKey: hex32,
    marketTimeMs: z.int(),
    heartbeatIntervalMs: durationMs,
  }),
  z.looseObject({ type: z.literal('lease-request'), request: signedSchema('lease-request') }),
  z.looseObject({ type: z.literal('lease-command'), command: signedSchema('lease-command') }),
  /** The market has taken note that this lease is gone; the agent may forget it. */
  z.looseObject({ type: z.literal('gone-noted'), leaseId: uuid }),
  z.looseObject({ type: z.literal('logs-query'), queryId: uuid, leaseId: uuid, tailLines: z.int().min(1).max(10_000) }),
]);
export type MarketFrame = z.infer<typeof marketFrame>;

/**
 * The agent's signed HTTPS API for validators and direct access. Every POST is a signed request whose audience is the machine key;
 * the body of a lease route is a signed document by the same key.
 */
export const AGENT_API = {
  /** GET, unsigned: the signed manifest. */
  manifest: '/v1/manifest',
  /** POST a signed `lease-request`; answers 200 `{grant}` or an error with `details.refusal` (a signed `lease-refusal`). */
  leases: '/v1/leases',
  /** GET, signed: `{lease: LeaseStatus}`. */
  lease: (leaseId: string): string => `/v1/leases/${leaseId}`,
  /** POST a signed `lease-command`; answers 200 `{lease: LeaseStatus}`. */
  commands: (leaseId: string): string => `/v1/leases/${leaseId}/commands`,
  /** GET, signed by a validator with a permit or a market of the manifest: `{inventory}`, a signed `inventory`. */
  inventory: '/v1/inventory',
  /** GET, unsigned: `{head, entries}` of the agent's published log, `?from=<seq>`, at most 1,000 entries. */
  log: '/v1/log',
} as const;
