/** The tables of the migrations as types for Kysely. 64-bit columns arrive as bigint; stores turn times into numbers. */
import type { ColumnType, Generated } from 'kysely';

/** 64-bit integer: read as bigint, written as bigint or number. */
export type Int8 = ColumnType<bigint, bigint | number, bigint | number>;
type NullableInt8 = ColumnType<bigint | null, bigint | number | null, bigint | number | null>;
/** `json` keeps the text as it came: read parsed, written as text. */
type Json = ColumnType<unknown, string, string>;
type NullableJson = ColumnType<unknown, string | null, string | null>;

export interface Database {
  accounts: { account_id: string; person_id: string; email: string; created_at_ms: Int8 };
  api_keys: {
    key_hash: Buffer;
    account_id: string;
    prefix: string;
    scopes: string[];
    created_at_ms: Int8;
    revoked_at_ms: NullableInt8;
  };
  ssh_keys: {
    ssh_key_id: string;
    account_id: string;
    name: string;
    fingerprint: string;
    public_key: string;
    created_at_ms: Int8;
  };
  rate_windows: { bucket: string; opened_at_ms: Int8; taken: number };
  request_nonces: { nonce: string; forget_at_ms: Int8 };
  idempotency_keys: {
    caller: string;
    idempotency_key: string;
    operation_id: string;
    request_hash: string;
    reply: NullableJson;
    created_at_ms: Int8;
  };
  ledger_transfers: {
    transfer_id: string;
    kind: string;
    rental_id: string | null;
    note: string;
    at_ms: Int8;
  };
  ledger_entries: {
    entry_id: Generated<bigint>;
    transfer_id: string;
    account: string;
    stripe: number;
    amount_micro_usd: Int8;
  };
  ledger_balances: { account: string; stripe: number; balance_micro_usd: Int8 };
  manifests: { hotkey: string; serial: Int8; manifest_hash: string; document: Json; received_at_ms: Int8 };
  machines: {
    machine_key: string;
    hotkey: string;
    machine_id: string;
    agent_url: string;
    public_host: string;
    port_from: number;
    port_to: number;
    units: string[];
    simulated: boolean;
    revoked_at_ms: NullableInt8;
  };
  offers: {
    offer_id: string;
    machine_key: string;
    hotkey: string;
    machine_id: string;
    terms_hash: string;
    units: string[];
    price_micro_usd_per_unit_hour: Int8;
    committed_until_ms: Int8;
    host: Json;
    payout_coldkey: string;
    simulated: boolean;
    opened_at_ms: Int8;
    closed_at_ms: NullableInt8;
  };
  agent_sessions: {
    machine_key: string;
    replica_id: string;
    epoch: Int8;
    boot_id: string;
    agent_instance_id: string;
    version: string;
    alive_until_ms: Int8;
  };
  receipts: {
    receipt_id: string;
    machine_key: string;
    unit_id: string;
    validator: string;
    verdict: 'pass' | 'fail';
    ended_at_ms: Int8;
    received_at_ms: Int8;
    document: Json;
  };
  unit_verdicts: {
    machine_key: string;
    unit_id: string;
    verdict: 'pass' | 'fail';
    class: string;
    verified_at_ms: Int8;
    receipt_id: string;
    measured: Json;
  };
  machine_receipts: {
    receipt_id: string;
    machine_key: string;
    validator: string;
    ended_at_ms: Int8;
    received_at_ms: Int8;
    document: Json;
  };
  machine_part_verdicts: {
    machine_key: string;
    part: string;
    verdict: 'pass' | 'fail';
    tested_at_ms: Int8;
    receipt_id: string;
    validator: string;
    findings: Json;
  };
  host_alarms: {
    machine_key: string;
    taken_at_ms: Int8;
    received_at_ms: Int8;
    alarms: Json;
  };
  rentals: RentalsTable;
  unit_reservations: {
    rental_id: string;
    machine_key: string;
    unit_id: string;
    released_at_ms: NullableInt8;
  };
  rental_events: { rental_id: string; event_id: Generated<bigint>; at_ms: Int8; state: string; detail: string };
  settlements: {
    settlement_id: Generated<bigint>;
    rental_id: string;
    transfer_id: string;
    at_ms: Int8;
    billable_ms: Int8;
    charged_micro_usd: Int8;
  };
  effects: {
    effect_id: Generated<bigint>;
    rental_id: string;
    machine_key: string;
    type: 'request-lease' | 'stop-lease' | 'set-ssh-keys' | 'renew';
    payload: NullableJson;
    attempts: Generated<number>;
    next_attempt_at_ms: Int8;
    claim_token: NullableInt8;
    claimed_until_ms: NullableInt8;
    done_at_ms: NullableInt8;
  };
  hand_overs: { rental_id: string; request: Json; claim_token: Int8; claimed_until_ms: NullableInt8 };
  ticks: { name: string; due_at_ms: Int8 };
  log_pending: { pending_id: Generated<bigint>; kind: string; at_ms: Int8; body: Json };
  public_log: { seq: Int8; entry: Json; hash: string };
  market_presence: { boot_id: string; alive_at_ms: Int8 };
}

interface RentalsTable {
  rental_id: string;
  account_id: string;
  offer_id: string;
  request_id: string;
  machine_key: string;
  machine_id: string;
  hotkey: string;
  units: string[];
  class: string | null;
  price_micro_usd_per_hour: Int8;
  fee_basis_points: number;
  payout_coldkey: string;
  pod: Json;
  ssh_keys: Json;
  public_host: string;
  created_at_ms: Int8;
  check_until_ms: NullableInt8;
  check_verdict: 'pass' | 'fail' | 'none' | null;
  move_on: string[];
  moved_from: string | null;
  moved_to: ColumnType<string | null, string | null | undefined, string | null>;
  state: 'reserved' | 'starting' | 'running' | 'stopping' | 'ended';
  end_reason: string | null;
  since_ms: Int8;
  granted: boolean;
  agent_ready: boolean;
  probe_ready: boolean;
  agent_seen_at_ms: Int8;
  ready_at_ms: NullableInt8;
  units_released: boolean;
  ended_at_ms: NullableInt8;
  detail: string | null;
  request_hash: string;
  lease_id: string | null;
  fence: NullableInt8;
  lease_grant: NullableJson;
  sequence: number;
  term_renewed_at_ms: NullableInt8;
  meter: Json;
  billable_ms: ColumnType<bigint, bigint | number | undefined, bigint | number>;
  market_away_ms: ColumnType<bigint, bigint | number | undefined, bigint | number>;
  charged_micro_usd: ColumnType<bigint, bigint | undefined, bigint>;
  provider_micro_usd: ColumnType<bigint, bigint | undefined, bigint>;
  fee_micro_usd: ColumnType<bigint, bigint | undefined, bigint>;
  absence_micro_usd: ColumnType<bigint, bigint | undefined, bigint>;
}
