-- The ledger: double entry in micro-dollars, append-only. Entries of a transfer sum to zero; no renter's balance is negative.

create table ledger_transfers (
  transfer_id uuid primary key,
  kind text not null,
  rental_id uuid,
  note text not null default '',
  at_ms bigint not null
);
create index ledger_transfers_of_rental on ledger_transfers (rental_id) where rental_id is not null;

create table ledger_entries (
  entry_id bigint generated always as identity primary key,
  transfer_id uuid not null references ledger_transfers,
  account text not null,
  -- Accounts that every rental touches are spread over stripes, so that no single row is hot.
  stripe smallint not null,
  amount_micro_usd bigint not null check (amount_micro_usd <> 0)
);
create index ledger_entries_of_account on ledger_entries (account);
create index ledger_entries_of_transfer on ledger_entries (transfer_id);

-- The sum of the entries of each account and stripe, kept by the trigger below.
create table ledger_balances (
  account text not null,
  stripe smallint not null,
  balance_micro_usd bigint not null default 0,
  primary key (account, stripe),
  constraint no_negative_renter_balance check (account not like 'renter:%' or balance_micro_usd >= 0)
) with (fillfactor = 70);

create function ledger_entries_added() returns trigger language plpgsql as $$
begin
  if exists (select from added group by transfer_id having sum(amount_micro_usd) <> 0) then
    raise exception 'the entries of a transfer do not sum to zero' using errcode = 'check_violation';
  end if;
  insert into ledger_balances (account, stripe)
    select distinct account, stripe from added order by account, stripe
    on conflict do nothing;
  -- Locked in one order everywhere, so that postings cannot deadlock.
  perform from ledger_balances b
    where (b.account, b.stripe) in (select account, stripe from added)
    order by b.account, b.stripe for update;
  update ledger_balances b set balance_micro_usd = b.balance_micro_usd + a.amount_micro_usd
    from (select account, stripe, sum(amount_micro_usd)::bigint as amount_micro_usd from added group by account, stripe) a
    where b.account = a.account and b.stripe = a.stripe;
  return null;
end $$;

create trigger ledger_entries_added after insert on ledger_entries
  referencing new table as added for each statement execute function ledger_entries_added();

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only: post a new transfer instead' using errcode = 'check_violation';
end $$;

create trigger ledger_entries_stay before update or delete on ledger_entries
  for each row execute function ledger_is_append_only();
create trigger ledger_entries_are_not_emptied before truncate on ledger_entries
  for each statement execute function ledger_is_append_only();
create trigger ledger_transfers_stay before update or delete on ledger_transfers
  for each row execute function ledger_is_append_only();
create trigger ledger_transfers_are_not_emptied before truncate on ledger_transfers
  for each statement execute function ledger_is_append_only();

-- The stripe of an entry: 0 for everyone's own accounts, one of 16 for the platform's.
create function ledger_stripe(p_account text, p_transfer_id uuid) returns smallint language sql immutable as $$
  select case when p_account like 'platform:%' or p_account = 'promo'
    then (get_byte(uuid_send(p_transfer_id), 0) % 16)::smallint else 0::smallint end
$$;

-- Posts one transfer; zero amounts are left out. False when this transfer was posted before, or when nothing moves.
create function post_transfer(
  p_transfer_id uuid, p_kind text, p_rental_id uuid, p_note text, p_at_ms bigint, p_accounts text[], p_amounts bigint[]
) returns boolean language plpgsql as $$
begin
  if (select count(*) from unnest(p_amounts) amount where amount <> 0) = 0 then
    return false;
  end if;
  insert into ledger_transfers (transfer_id, kind, rental_id, note, at_ms)
    values (p_transfer_id, p_kind, p_rental_id, p_note, p_at_ms) on conflict do nothing;
  if not found then
    return false;
  end if;
  insert into ledger_entries (transfer_id, account, stripe, amount_micro_usd)
    select p_transfer_id, account, ledger_stripe(account, p_transfer_id), amount
    from unnest(p_accounts, p_amounts) as posting (account, amount) where amount <> 0;
  return true;
end $$;

create function ledger_balance(p_account text) returns bigint language sql stable as $$
  select coalesce(sum(balance_micro_usd), 0)::bigint from ledger_balances where account = p_account
$$;

-- What an audit finds wrong, in words; no row when all is well.
create function audit_ledger() returns table (violation text) language sql stable as $$
  select format('transfer %s sums to %s', transfer_id, sum(amount_micro_usd))
    from ledger_entries group by transfer_id having sum(amount_micro_usd) <> 0
  union all
  select format('%s is negative: %s', account, sum(balance_micro_usd))
    from ledger_balances where account like 'renter:%' group by account having sum(balance_micro_usd) < 0
  union all
  select format('balance of %s is %s, its entries sum to %s', b.account, b.balance_micro_usd, coalesce(e.total, 0))
    from ledger_balances b
    left join (select account, stripe, sum(amount_micro_usd) as total from ledger_entries group by 1, 2) e
      on e.account = b.account and e.stripe = b.stripe
    where b.balance_micro_usd <> coalesce(e.total, 0)
$$;
