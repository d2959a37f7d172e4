-- Effects that go out to agents, claimed work, the market's public log, and when the market was last alive.

create table effects (
  effect_id bigint generated always as identity primary key,
  rental_id uuid not null references rentals,
  machine_key text not null,
  type text not null check (type in ('request-lease', 'stop-lease', 'set-ssh-keys', 'renew')),
  payload json,
  attempts integer not null default 0,
  next_attempt_at_ms bigint not null,
  -- Fence of the claim: an older claim cannot finish what a newer one took over.
  claim_token bigint,
  claimed_until_ms bigint,
  done_at_ms bigint
);
create index effects_due on effects (machine_key, next_attempt_at_ms) where done_at_ms is null;
create index effects_open_of_rental on effects (rental_id, type) where done_at_ms is null;
create sequence effect_claims;

-- Claims due effects for machines whose agent is connected to this replica.
create function claim_effects(p_replica_id uuid, p_now_ms bigint, p_claim_ms bigint, p_limit integer) returns setof effects
language sql as $$
  update effects e set claim_token = nextval('effect_claims'), claimed_until_ms = p_now_ms + p_claim_ms, attempts = e.attempts + 1
  where e.effect_id in (
    select due.effect_id from effects due
    join agent_sessions s on s.machine_key = due.machine_key and s.replica_id = p_replica_id and s.alive_until_ms > p_now_ms
    where due.done_at_ms is null and due.next_attempt_at_ms <= p_now_ms
      and (due.claimed_until_ms is null or due.claimed_until_ms <= p_now_ms)
    order by due.effect_id
    limit p_limit
    for update of due skip locked
  )
  returning e.*
$$;

-- Work that one replica does at a time: whoever moves the clock on does it.
create table ticks (
  name text primary key,
  due_at_ms bigint not null
);

create function claim_tick(p_name text, p_now_ms bigint, p_period_ms bigint) returns boolean language plpgsql as $$
begin
  insert into ticks (name, due_at_ms) values (p_name, p_now_ms) on conflict do nothing;
  -- A clock that was set back must not silence a tick for longer than its period.
  update ticks set due_at_ms = p_now_ms + p_period_ms
    where name = p_name and (due_at_ms <= p_now_ms or due_at_ms > p_now_ms + p_period_ms);
  return found;
end $$;

-- What is to be published, written in the transaction in which it happened.
create table log_pending (
  pending_id bigint generated always as identity primary key,
  kind text not null,
  at_ms bigint not null,
  body json not null
);

-- The public log: each entry holds the hash of the one before.
create table public_log (
  seq bigint primary key,
  entry json not null,
  hash text not null
);

-- The last moment at which some replica was alive, on the monotonic clock of this boot of the host.
create table market_presence (
  boot_id text primary key,
  alive_at_ms bigint not null
);
