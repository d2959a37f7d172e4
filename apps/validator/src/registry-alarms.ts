/** Says when a GPU stops to count because several registrations passed for it, and when that is over. */

import type { Registration, UnitStanding } from '@celium/domain';
import type { Report, ValidatorClock } from './ports.ts';
import type { UnitRegistry } from './state/unit-registry.ts';

/** What the registry's alarms need from outside. */
export interface RegistryPorts {
  clock: ValidatorClock;
  registry: UnitRegistry;
  report: Report;
}

/** Brings the registry up to date and says what is new about conflicts. */
export function reportConflicts({ clock, registry, report }: RegistryPorts): void {
  for (const { unit, standing } of registry.refresh(clock.unixMs())) {
    const words = wordsOf(standing);
    if (words !== null) report({ event: 'alarm', code: 'UNIT_CONFLICT', unit, state: standing.state, detail: words });
  }
}

function wordsOf(standing: UnitStanding): string | null {
  const names = namesOf(standing.rivals);
  switch (standing.state) {
    case 'contested':
      return `passed by several: ${names}; it counts for none until one barrier has challenged them`;
    case 'spoofed':
      return `several devices answer under this one UUID: ${names}; it counts for none of them`;
    case 'held':
      return standing.rivals.length === 0 ? null : `counts for ${namesOf([standing.holder])}, not for ${names}`;
    case 'unproven':
      return null;
  }
}

const MAX_NAMES = 4;

function namesOf(registrations: readonly Registration[]): string {
  const shown = registrations
    .slice(0, MAX_NAMES)
    .map(({ hotkey, machineKey }) => `${hotkey} machine ${machineKey.slice(0, 12)}`);
  const more = registrations.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
