-- Checks before a hand-over: what a rental shows of its check, where a renter was moved, and the checks that are under way.
alter table rentals
  add column check_until_ms bigint,
  add column check_verdict text check (check_verdict in ('pass', 'fail', 'none')),
  -- For which reasons the renter lets the market move the rental to the next fitting offer.
  add column move_on text[] not null default '{}',
  add column moved_from uuid references rentals,
  add column moved_to uuid references rentals;

-- One row for each rental whose units are checked now; who deletes it decides the check. The signed lease request waits in it.
create table hand_overs (
  rental_id uuid primary key references rentals,
  request json not null,
  -- Fence of the claim: an older claim neither keeps nor gives back what a newer one took over.
  claim_token bigint not null,
  claimed_until_ms bigint
);
create sequence hand_over_claims;
