-- Who has a verdict about a unit: the registry of GPUs looks from the unit to its machines.
create index unit_verdicts_of_unit on unit_verdicts (unit_id);
