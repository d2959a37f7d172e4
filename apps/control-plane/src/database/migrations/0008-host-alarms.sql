-- What a machine's newest inventory gave reason to look at. The inventory itself is the host's own word and is not kept.
create table host_alarms (
  machine_key text primary key references machines,
  taken_at_ms bigint not null,
  received_at_ms bigint not null,
  alarms json not null
);
