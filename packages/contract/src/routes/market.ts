/** Routes of the market itself: offers, machines, rentals, bills, receipts, the public log. */

import { z } from 'zod';
import { signedSchema } from '../documents/envelope.ts';
import { logEntry } from '../documents/log-head.ts';
import {
  amount,
  durationMs,
  hex32,
  machineId,
  podSpec,
  port,
  ss58,
  sshPublicKeyLine,
  unitId,
  unixMs,
  uuid,
} from '../fields.ts';
import { defineRoute } from './define-route.ts';

export const offer = z.object({
  offerId: uuid,
  machineId,
  machineKey: hex32,
  hotkey: ss58,
  /** What the proof measured; null before the first receipt. */
  class: z.string().nullable(),
  units: z.array(unitId),
  freeUnits: z.int(),
  priceMicroUsdPerUnitHour: amount,
  committedUntilMs: unixMs,
  online: z.boolean(),
  verdict: z.enum(['pass', 'fail']).nullable(),
  verifiedAtMs: unixMs.nullable(),
  receiptId: uuid.nullable(),
  /** Figures of the newest receipt. */
  measured: z.record(z.string(), z.union([z.number(), z.string()])).nullable(),
  /**
   * What validators found of the machine around its units, by part (storage, image, ports, network, location): verdict, public reason and figures
   * of the receipt that decides. Null before the first; one failed part fails the offer.
   */
  machineCheck: z
    .object({
      verdict: z.enum(['pass', 'fail']),
      parts: z.record(
        z.string(),
        z.object({
          verdict: z.enum(['pass', 'fail']),
          code: z.string(),
          message: z.string(),
          testedAtMs: unixMs,
          receiptId: uuid,
          validator: ss58,
          figures: z.record(z.string(), z.union([z.number(), z.string()])),
        }),
      ),
    })
    .nullable(),
  /**
   * What the machine's own inventory gives reason to look at, and when it came; null when none came lately. Its figures are the host's own word: an
   * alarm may lower trust, its absence grants nothing. `watched`: there is one that bears on what a renter gets.
   */
  hostAlarms: z
    .object({
      seenAtMs: unixMs,
      watched: z.boolean(),
      alarms: z.array(
        z.object({
          code: z.string().max(32),
          unit: unitId.nullable(),
          detail: z.string().max(200),
          /** Whether a renter should know of it before renting. */
          concernsRenters: z.boolean(),
        }),
      ),
    })
    .nullable(),
  /**
   * Whether fast links join the units of this machine, by validators' whole checks of the last day, and how fast the slowest pair of neighbours answered; null when
   * nobody measured it, or there is one unit only. Not linked does not say that there are no links.
   */
  link: z
    .object({ linked: z.boolean(), bytesPerSecond: z.number().min(0).nullable(), measuredAtMs: unixMs })
    .nullable(),
  /** Why a GPU of this offer does not count for it, so that it cannot be rented; null when nothing is known against it. */
  unitConflict: z.object({ state: z.enum(['contested', 'spoofed', 'held-elsewhere']), message: z.string() }).nullable(),
  host: z.looseObject({ cpuCores: z.int(), memoryBytes: z.int(), diskBytes: z.int(), location: z.string().optional() }),
  /** Said plainly: the owner of a non-confidential machine can read memory and disk. */
  notice: z.string(),
});
export type Offer = z.infer<typeof offer>;

/** For which reasons a market may move a rental to another machine. */
const moveReason = z.enum(['check-failed']);
export type MoveReason = z.infer<typeof moveReason>;

export const rental = z.object({
  rentalId: uuid,
  offerId: uuid,
  machineId,
  class: z.string().nullable(),
  units: z.array(unitId),
  state: z.enum(['reserved', 'starting', 'running', 'stopping', 'ended']),
  endReason: z.string().nullable(),
  /** Words for people: why it failed, what it waits for. */
  detail: z.string().nullable(),
  unreachable: z.boolean(),
  priceMicroUsdPerHour: amount,
  /**
   * The check of the units before they are handed over; null when their receipts were fresh enough. While `verdict` is null the machine has not
   * been asked yet; `none`: no validator made one in time, and the rental went on without.
   */
  check: z.object({ untilMs: unixMs, verdict: z.enum(['pass', 'fail', 'none']).nullable() }).nullable(),
  /** The rental that this one took over from, on another machine. */
  movedFrom: uuid.nullable(),
  /** The rental that took over from this one; it is the renter's, and is billed. */
  movedTo: uuid.nullable(),
  image: z.string(),
  createdAtMs: unixMs,
  readyAtMs: unixMs.nullable(),
  endedAtMs: unixMs.nullable(),
  billableMs: durationMs,
  chargedMicroUsd: amount,
  heldMicroUsd: amount,
  /** How to log in; null until the grant is in. */
  ssh: z.object({ host: z.string(), port, user: z.string(), hostKey: sshPublicKeyLine }).nullable(),
  ports: z.array(z.object({ pod: port, host: port })),
  /** The agent's signed grant. */
  grant: signedSchema('grant').nullable(),
  /** State changes with reasons, oldest first. */
  timeline: z.array(z.object({ atMs: unixMs, state: z.string(), detail: z.string() })),
});
export type Rental = z.infer<typeof rental>;

export const bill = z.object({
  rentalId: uuid,
  state: z.string(),
  endReason: z.string().nullable(),
  class: z.string().nullable(),
  priceMicroUsdPerHour: amount,
  createdAtMs: unixMs,
  readyAtMs: unixMs.nullable(),
  endedAtMs: unixMs.nullable(),
  billableSeconds: z.number(),
  /** Seconds that cost nothing, each with its reason. */
  freeSeconds: z.array(z.object({ seconds: z.number(), reason: z.string() })),
  chargedMicroUsd: amount,
  providerMicroUsd: amount,
  feeMicroUsd: amount,
  lines: z.array(z.object({ atMs: unixMs, billableSeconds: z.number(), chargedMicroUsd: amount })),
});
export type Bill = z.infer<typeof bill>;

const rentalParams = z.object({ rentalId: uuid });

export const marketRoutes = {
  getMarket: defineRoute({
    operationId: 'getMarket',
    method: 'GET',
    path: '/v1/market',
    summary: 'Who this market is: its public key, its fee, its time.',
    access: { kind: 'public' },
    rateClass: 'read',
    idempotent: false,
    status: 200,
    reply: z.object({
      publicKey: hex32,
      feeBasisPoints: z.int(),
      timeMs: unixMs,
      version: z.string(),
      netuid: z.int(),
    }),
  }),
  listOffers: defineRoute({
    operationId: 'listOffers',
    method: 'GET',
    path: '/v1/offers',
    summary: 'Offers, cheapest first.',
    access: { kind: 'public' },
    rateClass: 'read',
    idempotent: false,
    query: z.object({
      class: z.string().max(32).optional(),
      /** `true`: only what can be rented now (verified, online, free). */
      rentable: z.enum(['true', 'false']).default('true'),
      maxPriceMicroUsdPerUnitHour: amount.optional(),
      limit: z.coerce.number().int().min(1).max(1_000).default(200),
    }),
    status: 200,
    reply: z.object({ offers: z.array(offer) }),
  }),
  getOffer: defineRoute({
    operationId: 'getOffer',
    method: 'GET',
    path: '/v1/offers/:offerId',
    summary: 'One offer.',
    access: { kind: 'public' },
    rateClass: 'read',
    idempotent: false,
    params: z.object({ offerId: uuid }),
    status: 200,
    reply: offer,
  }),
  listReceipts: defineRoute({
    operationId: 'listReceipts',
    method: 'GET',
    path: '/v1/machines/:machineKey/receipts',
    summary: 'Signed receipts of a machine, newest first: the proof on the offer.',
    access: { kind: 'public' },
    rateClass: 'read',
    idempotent: false,
    params: z.object({ machineKey: hex32 }),
    query: z.object({ limit: z.coerce.number().int().min(1).max(100).default(20) }),
    status: 200,
    reply: z.object({ receipts: z.array(signedSchema('receipt')) }),
  }),
  listMachineReceipts: defineRoute({
    operationId: 'listMachineReceipts',
    method: 'GET',
    path: '/v1/machines/:machineKey/machine-receipts',
    summary: 'Signed machine receipts, newest first: disk, deploys, ports, network and location, each with its reason.',
    access: { kind: 'public' },
    rateClass: 'read',
    idempotent: false,
    params: z.object({ machineKey: hex32 }),
    query: z.object({ limit: z.coerce.number().int().min(1).max(100).default(20) }),
    status: 200,
    reply: z.object({ receipts: z.array(signedSchema('machine-receipt')) }),
  }),
  listMachines: defineRoute({
    operationId: 'listMachines',
    method: 'GET',
    path: '/v1/machines',
    summary:
      'Every machine that this market knows, with its manifest’s signer: what validators without an axon to go by read.',
    access: { kind: 'public' },
    rateClass: 'read',
    idempotent: false,
    status: 200,
    reply: z.object({
      machines: z.array(
        z.object({ machineId, machineKey: hex32, hotkey: ss58, agentUrl: z.string(), online: z.boolean() }),
      ),
      manifests: z.array(signedSchema('manifest')),
    }),
  }),
  publishReceipt: defineRoute({
    operationId: 'publishReceipt',
    method: 'POST',
    path: '/v1/receipts',
    summary: 'A validator publishes a receipt to this market.',
    access: { kind: 'validator' },
    rateClass: 'write',
    idempotent: false,
    body: z.object({ receipt: signedSchema('receipt') }),
    status: 201,
    reply: z.object({ accepted: z.literal(true) }),
  }),
  publishMachineReceipt: defineRoute({
    operationId: 'publishMachineReceipt',
    method: 'POST',
    path: '/v1/machine-receipts',
    summary: 'A validator publishes a machine receipt to this market.',
    access: { kind: 'validator' },
    rateClass: 'write',
    idempotent: false,
    body: z.object({ receipt: signedSchema('machine-receipt') }),
    status: 201,
    reply: z.object({ accepted: z.literal(true) }),
  }),
  createRental: defineRoute({
    operationId: 'createRental',
    method: 'POST',
    path: '/v1/rentals',
    summary:
      'Rent: reserves the units, holds the money, asks the agent; where the last receipt is old, after a check by a validator.',
    access: { kind: 'account', scope: 'rentals:write' },
    rateClass: 'rent',
    idempotent: true,
    body: z.object({
      offerId: uuid,
      /** How many units of the offer; all by default. */
      unitCount: z.int().min(1).max(64).optional(),
      pod: podSpec.partial({ image: true }).default({ env: {}, ports: [], volumeBytes: 0 }),
      /** Ids of SSH keys; all of the account by default. */
      sshKeyIds: z.array(uuid).max(64).optional(),
      /** Refuse when the price has gone above this. */
      maxPriceMicroUsdPerUnitHour: amount.optional(),
      /**
       * Reasons for which the market may move the rental to the next fitting offer: same class, as many units, verified, on another machine, at no
       * higher price. This rental then ends unbilled, and `movedTo` names the one that took over. By default it only ends.
       */
      moveOn: z.array(moveReason).max(8).optional(),
    }),
    status: 201,
    reply: rental,
  }),
  listRentals: defineRoute({
    operationId: 'listRentals',
    method: 'GET',
    path: '/v1/rentals',
    summary: 'Rentals of the account, newest first.',
    access: { kind: 'account', scope: 'rentals:read' },
    rateClass: 'read',
    idempotent: false,
    query: z.object({
      all: z.enum(['true', 'false']).default('false'),
      limit: z.coerce.number().int().min(1).max(500).default(100),
    }),
    status: 200,
    reply: z.object({ rentals: z.array(rental) }),
  }),
  getRental: defineRoute({
    operationId: 'getRental',
    method: 'GET',
    path: '/v1/rentals/:rentalId',
    summary:
      'One rental. With `waitFor` the answer comes when that state (or a later one) is reached, or after `waitMs`.',
    access: { kind: 'account', scope: 'rentals:read' },
    rateClass: 'read',
    idempotent: false,
    params: rentalParams,
    query: z.object({
      waitFor: z.enum(['starting', 'running', 'ended']).optional(),
      waitMs: z.coerce.number().int().min(0).max(60_000).default(30_000),
    }),
    status: 200,
    reply: rental,
  }),
  stopRental: defineRoute({
    operationId: 'stopRental',
    method: 'POST',
    path: '/v1/rentals/:rentalId/stop',
    summary: 'Stop a rental: not billed from this moment on.',
    access: { kind: 'account', scope: 'rentals:write' },
    rateClass: 'write',
    idempotent: true,
    params: rentalParams,
    status: 200,
    reply: rental,
  }),
  getBill: defineRoute({
    operationId: 'getBill',
    method: 'GET',
    path: '/v1/rentals/:rentalId/bill',
    summary: 'What the rental costs, second by second: billable and free, with reasons.',
    access: { kind: 'account', scope: 'rentals:read' },
    rateClass: 'read',
    idempotent: false,
    params: rentalParams,
    status: 200,
    reply: bill,
  }),
  getLogs: defineRoute({
    operationId: 'getLogs',
    method: 'GET',
    path: '/v1/rentals/:rentalId/logs',
    summary: 'Output of the pod’s first process.',
    access: { kind: 'account', scope: 'rentals:read' },
    rateClass: 'read',
    idempotent: false,
    params: rentalParams,
    query: z.object({ tail: z.coerce.number().int().min(1).max(10_000).default(200) }),
    status: 200,
    reply: z.object({ text: z.string() }),
  }),
  readLog: defineRoute({
    operationId: 'readLog',
    method: 'GET',
    path: '/v1/log',
    summary: 'The market’s public log: hash-chained entries and the signed head.',
    access: { kind: 'public' },
    rateClass: 'read',
    idempotent: false,
    query: z.object({
      from: z.coerce.number().int().min(1).default(1),
      limit: z.coerce.number().int().min(1).max(1_000).default(200),
    }),
    status: 200,
    reply: z.object({ head: signedSchema('log-head').nullable(), entries: z.array(logEntry) }),
  }),
};
