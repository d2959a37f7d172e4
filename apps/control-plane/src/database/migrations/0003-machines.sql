-- Manifests, machines, their units and offers, who is connected, and what validators say.

-- The newest manifest of each hotkey, as received: its signature covers the canonical form of what stands here.
create table manifests (
  hotkey text primary key,
  serial bigint not null,
  manifest_hash text not null,
  document json not null,
  received_at_ms bigint not null
);

create table machines (
  machine_key text primary key,
  hotkey text not null references manifests (hotkey),
  machine_id text not null,
  agent_url text not null,
  public_host text not null,
  port_from integer not null,
  port_to integer not null,
  units text[] not null,
  simulated boolean not null,
  -- Set when a newer manifest of the hotkey leaves this key out.
  revoked_at_ms bigint
);
create index machines_of_hotkey on machines (hotkey);

-- The terms of an offer never change under its id: new terms are a new offer.
create table offers (
  offer_id uuid primary key,
  machine_key text not null references machines,
  hotkey text not null,
  machine_id text not null,
  terms_hash text not null,
  units text[] not null,
  price_micro_usd_per_unit_hour bigint not null check (price_micro_usd_per_unit_hour >= 0),
  committed_until_ms bigint not null,
  host json not null,
  payout_coldkey text not null,
  simulated boolean not null,
  opened_at_ms bigint not null,
  closed_at_ms bigint
);
create unique index one_open_offer_per_machine on offers (machine_key) where closed_at_ms is null;

-- Which replica holds the agent's socket. A machine is online while its session is alive.
create table agent_sessions (
  machine_key text primary key references machines,
  replica_id uuid not null,
  epoch bigint not null,
  boot_id text not null,
  agent_instance_id text not null,
  version text not null,
  alive_until_ms bigint not null
);
create sequence agent_session_epochs;

create table receipts (
  receipt_id uuid primary key,
  machine_key text not null references machines,
  unit_id text not null,
  validator text not null,
  verdict text not null check (verdict in ('pass', 'fail')),
  ended_at_ms bigint not null,
  received_at_ms bigint not null,
  document json not null
);
create index receipts_of_machine on receipts (machine_key, ended_at_ms desc);
create index receipts_of_unit on receipts (machine_key, unit_id, validator, ended_at_ms desc);

-- What the newest valid receipts say of a unit, by the rule in domain.
create table unit_verdicts (
  machine_key text not null references machines,
  unit_id text not null,
  verdict text not null check (verdict in ('pass', 'fail')),
  class text not null,
  verified_at_ms bigint not null,
  receipt_id uuid not null references receipts,
  measured json not null,
  primary key (machine_key, unit_id)
);
