/** Looks at a machine's host before a check: its inventory is kept, and what is new in it to worry about is said. It changes no verdict. */

import { alarmsOfHost, printableAscii, trustOf, type HostAlarm, type Trust } from '@celium/domain';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { ReadInventory } from '../network/inventory-client.ts';
import type { Report, ValidatorClock } from '../ports.ts';
import type { Inventories } from '../state/inventories.ts';
import type { ReceiptBook } from '../state/receipt-book.ts';

/** What looking at hosts needs from outside. */
export interface HostPorts {
  clock: ValidatorClock;
  readInventory: ReadInventory;
  inventories: Inventories;
  receipts: ReceiptBook;
  report: Report;
}

/** Receipts per unit that are looked through for the newest measured class. */
const RECEIPTS_PER_UNIT = 4;
/** Verdicts on one machine that are looked through for the newest of each unit. */
const MAX_VERDICTS = 256;
const MAX_WORDS = 200;

/** Asks for the inventory, keeps it, and says its new alarms. Never rejects: a host that shows nothing is as good as one that does. */
export async function lookAtHost(ports: HostPorts, known: KnownMachine): Promise<void> {
  const { inventories, clock, report } = ports;
  const { machine } = known;
  const answer = await ports.readInventory(machine);
  if ('absent' in answer) {
    const detail = printableAscii(`${machine.machineId}: ${answer.absent}`, MAX_WORDS);
    report({ event: 'step', name: 'inventory', status: 'failed', machineKey: machine.machineKey, detail });
    return;
  }
  const receivedAtMs = clock.unixMs();
  const { cpuCores, memoryBytes, diskBytes } = machine.host;
  const expected = {
    units: machine.units,
    cpuCores,
    memoryBytes,
    diskBytes,
    measuredClass: measuredClasses(ports.receipts, known),
  };
  const alarms = alarmsOfHost(answer.signed.body, expected, receivedAtMs);
  const before = new Set((inventories.alarmsOf(machine.machineKey) ?? []).map(nameOf));
  inventories.keep(machine.machineKey, { receivedAtMs, signed: answer.signed, alarms });
  const { machineId, machineKey } = machine;
  for (const alarm of alarms.filter((one) => !before.has(nameOf(one))))
    report({ event: 'alarm', machineId, machineKey, hotkey: known.hotkey, ...alarm });
}

/** What this validator's newest verdicts on a machine are worth beside its host's alarms. */
export function trustInMachine(ports: Pick<HostPorts, 'inventories' | 'receipts'>, machineKey: string): Trust {
  const newest = new Map<string, 'pass' | 'fail'>();
  for (const { unit, verdict } of ports.receipts.verdicts(machineKey, MAX_VERDICTS))
    if (!newest.has(unit)) newest.set(unit, verdict);
  const verdicts = [...newest.values()];
  const verdict = verdicts.includes('fail') ? 'fail' : verdicts.length === 0 ? null : 'pass';
  return trustOf(verdict, ports.inventories.alarmsOf(machineKey));
}

/** Alarms are the same while they are about the same thing: a figure in them that moves is no news. */
function nameOf({ code, unit }: HostAlarm): string {
  return `${code} ${unit}`;
}

function measuredClasses(receipts: ReceiptBook, { machine }: KnownMachine): Map<string, string> {
  const classes = new Map<string, string>();
  for (const { body } of receipts.newest(RECEIPTS_PER_UNIT * machine.units.length, machine.machineKey))
    if (body.verdict === 'pass' && !classes.has(body.unit)) classes.set(body.unit, body.measured.class);
  return classes;
}
