-- Machine receipts: what validators say of a machine's disk, deploys, ports, network and location, as they signed it.
create table machine_receipts (
  receipt_id uuid primary key,
  machine_key text not null references machines,
  validator text not null,
  ended_at_ms bigint not null,
  received_at_ms bigint not null,
  document json not null
);
create index machine_receipts_of_machine on machine_receipts (machine_key, ended_at_ms desc);

-- What the newest valid words say of each part of a machine, by the rule in domain.
create table machine_part_verdicts (
  machine_key text not null references machines,
  part text not null,
  verdict text not null check (verdict in ('pass', 'fail')),
  tested_at_ms bigint not null,
  receipt_id uuid not null references machine_receipts,
  validator text not null,
  findings json not null,
  primary key (machine_key, part)
);
