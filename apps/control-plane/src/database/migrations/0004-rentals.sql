-- Rentals, the units they hold, their settlements and what happened to them; and the effects that go out to agents.

create table rentals (
  rental_id uuid primary key,
  account_id uuid not null references accounts,
  offer_id uuid not null references offers,
  request_id uuid not null unique,
  machine_key text not null references machines,
  machine_id text not null,
  hotkey text not null,
  units text[] not null,
  class text,
  price_micro_usd_per_hour bigint not null check (price_micro_usd_per_hour >= 0),
  fee_basis_points integer not null,
  payout_coldkey text not null,
  pod json not null,
  -- `[{id, publicKey}]`: what the pod accepts now.
  ssh_keys json not null,
  public_host text not null,
  created_at_ms bigint not null,

  -- What domain decides about (packages/domain rental.ts).
  state text not null check (state in ('reserved', 'starting', 'running', 'stopping', 'ended')),
  end_reason text,
  since_ms bigint not null,
  granted boolean not null,
  agent_ready boolean not null,
  probe_ready boolean not null,
  agent_seen_at_ms bigint not null,
  ready_at_ms bigint,
  units_released boolean not null,
  ended_at_ms bigint,
  detail text,

  -- The lease at the agent. `sequence` is the last number given to a command, stored before it is sent.
  request_hash text not null,
  lease_id uuid,
  fence bigint,
  lease_grant json,
  sequence integer not null,
  term_renewed_at_ms bigint,

  -- The meter (packages/domain meter.ts) and what of it has been paid for.
  meter json not null,
  billable_ms bigint not null default 0,
  market_away_ms bigint not null default 0,
  charged_micro_usd bigint not null default 0,
  provider_micro_usd bigint not null default 0,
  fee_micro_usd bigint not null default 0,
  absence_micro_usd bigint not null default 0
) with (fillfactor = 60);
create index rentals_of_account on rentals (account_id, created_at_ms desc);
create index rentals_alive on rentals (state) where state <> 'ended';
create index rentals_of_machine on rentals (machine_key) where not units_released;
create unique index rentals_of_lease on rentals (machine_key, lease_id) where lease_id is not null;

create table unit_reservations (
  rental_id uuid not null references rentals,
  machine_key text not null,
  unit_id text not null,
  released_at_ms bigint,
  primary key (rental_id, unit_id)
);
-- A unit is leased once: whatever the program does, the second reservation fails here.
create unique index one_open_reservation_per_unit on unit_reservations (machine_key, unit_id) where released_at_ms is null;

create table rental_events (
  rental_id uuid not null references rentals,
  event_id bigint generated always as identity,
  at_ms bigint not null,
  state text not null,
  detail text not null,
  primary key (rental_id, event_id)
);

create table settlements (
  settlement_id bigint generated always as identity primary key,
  rental_id uuid not null references rentals,
  transfer_id uuid not null,
  at_ms bigint not null,
  billable_ms bigint not null,
  charged_micro_usd bigint not null
);
create index settlements_of_rental on settlements (rental_id, settlement_id);

-- Settles one rental whose row the caller has locked: what the meter shows and is not yet charged, at most what is held.
-- The arithmetic is that of packages/domain charge.ts; a property test compares both. Answers what was charged.
create function settle_rental(p_rental_id uuid, p_transfer_id uuid, p_absence_transfer_id uuid, p_at_ms bigint) returns bigint
language plpgsql as $$
declare
  r rentals%rowtype;
  v_due bigint;
  v_charged bigint;
  v_fee bigint;
  v_provider bigint;
  v_settled_ms bigint;
  v_absence bigint;
begin
  select * into strict r from rentals where rental_id = p_rental_id for update;
  v_due := greatest(div(r.billable_ms::numeric * r.price_micro_usd_per_hour, 3600000)::bigint - r.charged_micro_usd, 0);
  v_due := least(v_due, ledger_balance('renter:held:' || p_rental_id));
  v_charged := r.charged_micro_usd + v_due;
  v_fee := div(v_charged::numeric * r.fee_basis_points, 10000)::bigint;
  v_provider := v_charged - v_fee;
  select coalesce(sum(s.billable_ms), 0) into v_settled_ms from settlements s where s.rental_id = p_rental_id;
  if v_due > 0 then
    perform post_transfer(p_transfer_id, 'settlement', p_rental_id, '', p_at_ms,
      array['renter:held:' || p_rental_id, 'provider:pending:' || r.payout_coldkey, 'platform:fee'],
      array[-v_due, v_provider - r.provider_micro_usd, v_fee - r.fee_micro_usd]);
  end if;
  if v_due > 0 or r.billable_ms > v_settled_ms then
    insert into settlements (rental_id, transfer_id, at_ms, billable_ms, charged_micro_usd)
      values (p_rental_id, p_transfer_id, p_at_ms, r.billable_ms - v_settled_ms, v_due);
  end if;
  -- Time that only the market's own absence left unwitnessed costs the renter nothing; the market pays the provider's share.
  v_absence := div(div(r.market_away_ms::numeric * r.price_micro_usd_per_hour, 3600000) * (10000 - r.fee_basis_points), 10000)::bigint;
  if v_absence > r.absence_micro_usd then
    perform post_transfer(p_absence_transfer_id, 'absence', p_rental_id, 'the market was away', p_at_ms,
      array['platform:absence', 'provider:pending:' || r.payout_coldkey],
      array[r.absence_micro_usd - v_absence, v_absence - r.absence_micro_usd]);
  end if;
  update rentals set charged_micro_usd = v_charged, fee_micro_usd = v_fee, provider_micro_usd = v_provider,
    absence_micro_usd = greatest(v_absence, absence_micro_usd) where rental_id = p_rental_id;
  return v_due;
end $$;

-- Gives what is still held for a rental back to its renter. Answers how much.
create function release_hold(p_rental_id uuid, p_transfer_id uuid, p_at_ms bigint) returns bigint language plpgsql as $$
declare
  v_account uuid;
  v_held bigint;
begin
  select account_id into strict v_account from rentals where rental_id = p_rental_id for update;
  v_held := ledger_balance('renter:held:' || p_rental_id);
  perform post_transfer(p_transfer_id, 'release', p_rental_id, '', p_at_ms,
    array['renter:held:' || p_rental_id, 'renter:available:' || v_account], array[-v_held, v_held]);
  return v_held;
end $$;
