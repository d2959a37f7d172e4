/** The manifest: a provider's signed list of machines, keys and terms. Signed by the hotkey; the next version revokes what it leaves out. */

import { cpuUnit, isCpuUnit } from '@celium/domain';
import { z } from 'zod';
import { amount, coordinates, hex32, machineId, port, ss58, unitId, unixMs } from '../fields.ts';
import { listedConsent } from './machine-consent.ts';

/** A market that a machine sells on. */
export const manifestMarket = z.looseObject({
  /** `http(s)://` address of the market's API; the agent connects to its gateway there. */
  url: z.url({ protocol: /^https?$/ }).max(300),
  /** The market's public key: the authority of its lease requests. */
  key: hex32,
});

export const manifestMachine = z.looseObject({
  machineId,
  /** The key that this machine's agent signs with. */
  machineKey: hex32,
  /** The machine key's word that it belongs to this hotkey; without it the listing counts for nothing. */
  consent: listedConsent.optional(),
  /** `https://host:port` of the agent's signed API. */
  agentUrl: z.url({ protocol: /^https$/ }).max(300),
  /** SHA-256 of the agent's TLS public key (SubjectPublicKeyInfo, DER). */
  tlsKeyHash: hex32,
  /** Address at which published pod ports are reached. */
  publicHost: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9:[][A-Za-z0-9.:_\]-]*$/, 'a host name or an IP address'),
  portRange: z
    .looseObject({ from: port, to: port })
    .refine((range) => range.from <= range.to, 'a range goes from its lower to its upper port'),
  /** All units of the machine: GPUs by UUID, or the one `cpu:` unit. */
  units: z.array(unitId).min(1).max(64),
  offer: z.looseObject({
    priceMicroUsdPerUnitHour: amount,
    /** Until then the provider may not end a paid lease without fault, unix ms; 0 for no commitment. */
    committedUntilMs: unixMs,
  }),
  /** What a CPU machine declares of itself; the deadline of its proof is computed from it, with a floor. Work units per second of CGP-1. */
  declaredWorkPerSecond: z.number().positive().optional(),
  /** What the machine says of its GPUs, as the driver reports them: it decides the sizes of their challenges, and nothing else. */
  gpus: z
    .array(
      z.looseObject({
        unit: unitId,
        model: z.string().max(100),
        memoryBytes: z.int().min(1),
        /** The widest link that card and slot can have. */
        pcie: z.looseObject({ generation: z.int().min(1), width: z.int().min(1) }).optional(),
      }),
    )
    .max(64)
    .optional(),
  /** Hints about the host: shown as the provider's word only. */
  host: z.looseObject({
    cpuCores: z.int().min(1),
    memoryBytes: z.int().min(1),
    diskBytes: z.int().min(0),
    location: z.string().max(100).optional(),
    /** Where it stands, in degrees; round trips from known places can contradict it. */
    coordinates: coordinates.optional(),
  }),
  markets: z.array(manifestMarket).max(32),
  payoutColdkey: ss58,
  /** A simulated device: no market lists it. */
  simulated: z.boolean().optional(),
});

export const manifestBody = z
  .looseObject({
    hotkey: ss58,
    netuid: z.int().min(0).max(65_535),
    /** Grows with every manifest of this hotkey; an older one is refused. */
    serial: z.int().min(1),
    issuedAtMs: unixMs,
    machines: z.array(manifestMachine).max(1_000),
  })
  .superRefine((manifest, context) => {
    const message = listedTwice(manifest.machines);
    if (message !== null) context.addIssue({ code: 'custom', path: ['machines'], message });
  });

export type Manifest = z.infer<typeof manifestBody>;
export type ManifestMachine = z.infer<typeof manifestMachine>;

/**
 * A machine, its key and a unit are listed once, a `cpu:` unit is the only one of the machine that it names, and what is said of GPUs is said of
 * units of the machine, once of each. Null when all is so.
 */
function listedTwice(machines: readonly ManifestMachine[]): string | null {
  const seen = new Set<string>();
  for (const { machineId: id, machineKey, units, gpus = [] } of machines) {
    const described = gpus.map(({ unit }) => unit);
    const stray = described.find((unit, index) => !units.includes(unit) || described.indexOf(unit) !== index);
    if (stray !== undefined) return `${stray} is described twice or is no unit of ${id}`;
    const cpu = units.find((unit) => isCpuUnit(unit));
    if (cpu !== undefined && (units.length !== 1 || cpu !== cpuUnit(id))) return `${cpu} is not the one unit of ${id}`;
    for (const name of [`machine ${id}`, `machine key ${machineKey}`, ...units.map((unit) => `unit ${unit}`)]) {
      if (seen.has(name)) return `${name} is listed twice`;
      seen.add(name);
    }
  }
  return null;
}
