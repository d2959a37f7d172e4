-- People, their API keys and SSH keys, and what requests leave behind: rate windows, nonces, first answers.

-- Tables of better-auth (its own column names). Only the accounts feature reads them.
create table auth_user (
  id text primary key,
  name text not null,
  email text not null unique,
  "emailVerified" boolean not null default false,
  image text,
  "createdAt" timestamptz not null default now(),
  "updatedAt" timestamptz not null default now()
);

create table auth_session (
  id text primary key,
  "expiresAt" timestamptz not null,
  token text not null unique,
  "createdAt" timestamptz not null default now(),
  "updatedAt" timestamptz not null default now(),
  "ipAddress" text,
  "userAgent" text,
  "userId" text not null references auth_user (id) on delete cascade
);

create table auth_account (
  id text primary key,
  "accountId" text not null,
  "providerId" text not null,
  "userId" text not null references auth_user (id) on delete cascade,
  "accessToken" text,
  "refreshToken" text,
  "idToken" text,
  "accessTokenExpiresAt" timestamptz,
  "refreshTokenExpiresAt" timestamptz,
  scope text,
  password text,
  "createdAt" timestamptz not null default now(),
  "updatedAt" timestamptz not null default now()
);
create index auth_account_of_user on auth_account ("userId");

create table auth_verification (
  id text primary key,
  identifier text not null,
  value text not null,
  "expiresAt" timestamptz not null,
  "createdAt" timestamptz not null default now(),
  "updatedAt" timestamptz not null default now()
);

create table accounts (
  account_id uuid primary key,
  person_id text not null unique references auth_user (id),
  email text not null unique,
  created_at_ms bigint not null
);

-- Only the SHA-256 of a key is kept; 256 random bits need no slow hash.
create table api_keys (
  key_hash bytea primary key,
  account_id uuid not null references accounts,
  prefix text not null,
  scopes text[] not null,
  created_at_ms bigint not null,
  revoked_at_ms bigint
);
create index api_keys_of_account on api_keys (account_id);

create table ssh_keys (
  ssh_key_id uuid primary key,
  account_id uuid not null references accounts,
  name text not null,
  fingerprint text not null,
  public_key text not null,
  created_at_ms bigint not null,
  unique (account_id, fingerprint)
);

-- Fixed windows shared by all replicas. Unlogged: a crash of the database forgives, it does not lock out.
create unlogged table rate_windows (
  bucket text primary key,
  opened_at_ms bigint not null,
  taken integer not null
);
create index rate_windows_by_age on rate_windows (opened_at_ms);

-- Takes one from a bucket; answers 0, or how many milliseconds to wait when the bucket is empty.
create function take_rate(p_bucket text, p_now_ms bigint, p_window_ms bigint, p_limit integer) returns bigint
language sql as $$
  insert into rate_windows as w (bucket, opened_at_ms, taken) values (p_bucket, p_now_ms, 1)
  on conflict (bucket) do update set
    opened_at_ms = case when p_now_ms - w.opened_at_ms >= p_window_ms or p_now_ms < w.opened_at_ms
      then p_now_ms else w.opened_at_ms end,
    taken = case when p_now_ms - w.opened_at_ms >= p_window_ms or p_now_ms < w.opened_at_ms
      then 1 else least(w.taken, p_limit) + 1 end
  returning case when taken > p_limit then greatest(opened_at_ms + p_window_ms - p_now_ms, 1) else 0 end
$$;

create table request_nonces (
  nonce text primary key,
  forget_at_ms bigint not null
);
create index request_nonces_by_age on request_nonces (forget_at_ms);

-- The first answer to an idempotent request; written in the transaction of its effect.
create table idempotency_keys (
  caller text not null,
  idempotency_key text not null,
  operation_id text not null,
  request_hash text not null,
  reply json,
  created_at_ms bigint not null,
  primary key (caller, idempotency_key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at_ms);
