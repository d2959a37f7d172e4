/** Branded identifiers: a rental's id cannot be passed where a lease's is wanted, though both are strings. */

declare const brand: unique symbol;

/** A value of type `T` that carries the name `B` at compile time and nothing at run time. */
export type Brand<T, B extends string> = T & { readonly [brand]: B };

/** Names one machine inside its provider's manifest; chosen by the provider, 1 to 64 characters of `[a-z0-9-]`. */
export type MachineId = Brand<string, 'MachineId'>;
/** Names one unit: `GPU-<uuid>` for a GPU, `cpu:<machineId>` for the one unit of a CPU machine. */
export type UnitId = Brand<string, 'UnitId'>;
/** Names one lease; given by the agent in its grant (UUID). */
export type LeaseId = Brand<string, 'LeaseId'>;
/** Names one lease request; given by the authority, the idempotency key of the request (UUID). */
export type RequestId = Brand<string, 'RequestId'>;
/** Names one rental of a market (UUID). */
export type RentalId = Brand<string, 'RentalId'>;
/** Names one renter's or operator's account at a market (UUID). */
export type AccountId = Brand<string, 'AccountId'>;
/** Names one offer of a market (UUID); an offer's terms never change under the same id. */
export type OfferId = Brand<string, 'OfferId'>;

/** The one unit of a machine without a GPU. */
export function cpuUnit(machineId: MachineId | string): UnitId {
  return `cpu:${machineId}` as UnitId;
}

/** True for the unit of a CPU machine. */
export function isCpuUnit(unit: UnitId | string): boolean {
  return unit.startsWith('cpu:');
}
