/** What the rental flows need of the rest of the market, as arguments: no other feature's tables are touched from here. */
import type { MeterState, PodSpec, Rental as RentalDecisionState, UnitConflict } from '@celium/domain';
import type { MoveReason, Signed } from '@celium/contract';
import type { Billing } from '../billing/billing.flow.ts';
import type { MarketDatabase, Queries, Tx } from '../database/market-database.ts';
import type { PublicLog } from '../log/log.flow.ts';
import type { AgentLinks } from '../machines/sessions.ts';
import type { HandOvers } from '../hand-overs/hand-overs.worker.ts';
import type { Outbox } from '../outbox/outbox.worker.ts';
import type { MarketPorts } from '../ports.ts';
import type { RentalSignals } from './signals.ts';

/** An offer as renting it needs it. */
export interface RentableOffer {
  offerId: string;
  machineKey: string;
  machineId: string;
  hotkey: string;
  units: string[];
  freeUnits: string[];
  class: string | null;
  priceMicroUsdPerUnitHour: bigint;
  payoutColdkey: string;
  publicHost: string;
  online: boolean;
  verdict: 'pass' | 'fail' | null;
  simulated: boolean;
  unitConflict: UnitConflict | null;
  /** When each unit was verified last, for those that were within the last day. */
  unitVerifiedAtMs: Readonly<Record<string, number>>;
}

export interface PodKey {
  id: string;
  /** Type and base64. */
  publicKey: string;
}

/** A change of a rental as its renter reads it. */
export interface RentalEvent {
  atMs: number;
  state: string;
  detail: string;
}

/** Who watches whether pods are reachable. */
export interface ProbeWatch {
  /** Probes a pod from now on. */
  watch(row: RentalRow): void;
  /** The pod may be up any moment: probe often. */
  hurry(rentalId: string): void;
  forget(rentalId: string): void;
}

export interface RentalParts {
  database: MarketDatabase;
  ports: MarketPorts;
  billing: Billing;
  outbox: Outbox;
  links: AgentLinks;
  publicLog: PublicLog;
  signals: RentalSignals;
  probing: ProbeWatch;
  handOvers: HandOvers;
  feeBasisPoints: number;
  /** How old the receipt of a unit may be when it is handed over, in milliseconds; null for what its class allows. */
  receiptAgeMs: number | null;
  /** Open offers that are no simulated ones. */
  listOffers(db: Queries, nowMs: number): Promise<RentableOffer[]>;
  /** Locks the offer's machine until the transaction ends; null for no such open offer. */
  lockOffer(tx: Tx, offerId: string, nowMs: number): Promise<RentableOffer | null>;
  sshKeysOf(db: Queries, accountId: string): Promise<PodKey[]>;
}

/** What a renter reads when the pod's key exchange shows another key than the grant. */
export const HOST_KEY_WRONG =
  'the pod’s SSH host key is not the one of the grant; the market does not count it as reached';

/** One rental as it is stored. */
export interface RentalRow {
  rentalId: string;
  accountId: string;
  offerId: string;
  requestId: string;
  requestHash: string;
  machineKey: string;
  machineId: string;
  hotkey: string;
  units: string[];
  class: string | null;
  priceMicroUsdPerHour: bigint;
  feeBasisPoints: number;
  payoutColdkey: string;
  pod: PodSpec;
  sshKeys: PodKey[];
  publicHost: string;
  createdAtMs: number;
  /** Why the renter lets the market move this rental to the next fitting offer. */
  moveOn: MoveReason[];
  /** The rental that this one took over from, and the one that took over from this. */
  movedFrom: string | null;
  movedTo: string | null;
  /** What domain decides about. */
  rental: RentalDecisionState;
  endedAtMs: number | null;
  detail: string | null;
  leaseId: string | null;
  fence: number | null;
  grant: Signed<'grant'> | null;
  /** The last sequence number given to a command of the lease. */
  sequence: number;
  termRenewedAtMs: number | null;
  meter: MeterState;
  chargedMicroUsd: bigint;
  providerMicroUsd: bigint;
  feeMicroUsd: bigint;
}
