/**
 * When a machine counts as linked: every pair of its ring answered faster than cards can that are joined by nothing but their bus. The table of links with its
 * floors, and the pure rule. No premium follows from it here.
 */
import { classifyMachine, type ProvenUnit } from './classify-gpu.ts';

/** Gigabytes per second over sixteen lanes of PCIe, both directions together, before any overhead. */
export const PCIE_GIGABYTES_PER_SECOND = { 4: 63, 5: 126, 6: 242 } as const;

/** How the cards of a class are joined at best. */
export interface GpuLink {
  /** The class as a receipt names it. */
  class: string;
  /** What the data sheet says of all links of one card, both directions together. */
  gigabytesPerSecond: number;
  /** The bus that joins them where there is no link. */
  pcie: keyof typeof PCIE_GIGABYTES_PER_SECOND;
  source: string;
}

const NVLINK_5 = 'NVIDIA Blackwell data sheet: fifth-generation NVLink, 1.8 TB/s';
const NVLINK_4 = 'NVIDIA H100/H200 data sheets: fourth-generation NVLink, 900 GB/s';
const NVLINK_3 = 'NVIDIA A100 data sheet: third-generation NVLink, 600 GB/s (PCIe cards: by a bridge for two)';
const BRIDGE = 'NVIDIA H100/H200 NVL data sheets: NVLink bridge';

/** Every class whose cards can have a link. Those of L4, L40S, RTX 4090, RTX 5090, RTX PRO 6000 and T4 have none; slices cannot use theirs. */
export const GPU_LINKS: readonly GpuLink[] = [
  { class: 'B300', gigabytesPerSecond: 1800, pcie: 6, source: NVLINK_5 },
  { class: 'B200', gigabytesPerSecond: 1800, pcie: 5, source: NVLINK_5 },
  { class: 'H200', gigabytesPerSecond: 900, pcie: 5, source: NVLINK_4 },
  { class: 'H200-NVL', gigabytesPerSecond: 900, pcie: 5, source: BRIDGE },
  { class: 'H100', gigabytesPerSecond: 900, pcie: 5, source: NVLINK_4 },
  { class: 'H20', gigabytesPerSecond: 900, pcie: 5, source: NVLINK_4 },
  { class: 'H100-NVL', gigabytesPerSecond: 600, pcie: 5, source: BRIDGE },
  { class: 'H100-PCIE', gigabytesPerSecond: 600, pcie: 5, source: BRIDGE },
  { class: 'A100-80GB', gigabytesPerSecond: 600, pcie: 4, source: NVLINK_3 },
  { class: 'A100-40GB', gigabytesPerSecond: 600, pcie: 4, source: NVLINK_3 },
  { class: 'A30', gigabytesPerSecond: 200, pcie: 4, source: 'NVIDIA A30 data sheet: NVLink bridge' },
  { class: 'A6000', gigabytesPerSecond: 112.5, pcie: 4, source: 'NVIDIA RTX A6000 and A40 data sheets: NVLink bridge' },
  { class: 'RTX3090', gigabytesPerSecond: 112.5, pcie: 4, source: 'NVIDIA GA102 white paper: NVLink bridge' },
];

/** The share of the data sheet's rate that a pair must reach: under what good kernels get (0.8 to 0.86), over what links of the next lower kind have at all. */
const LINK_SHARE = 0.65;
/** A floor that is not clear of what a machine without links could answer by so much shows nothing. */
const CLEARANCE = 1.1;
/** The share of answers for which 16 KiB have to cross, wherever each leaf lies: `packages/proof/README.md`, `What has to cross`. */
const CROSSING_SHARE = 0.95;
/** The fastest memory of a host with two sockets: 24 channels of 8,800 MT/s, at 0.85. A processor that holds both memories reads six leaves for an answer. */
const HOST_GIGABYTES_PER_SECOND = 0.85 * 1690;
const LEAVES_OF_AN_ANSWER = 6;
/** What two cards can make again of each other's memory meanwhile, in answers. */
const REGENERATED_GIGABYTES_PER_SECOND = 10;

/** The most that two cards without a link can answer, in bytes per second: over their bus, with a host that helps, and by making memory again. */
export function unlinkedBytesPerSecond({ pcie }: Pick<GpuLink, 'pcie'>): number {
  const host = HOST_GIGABYTES_PER_SECOND / LEAVES_OF_AN_ANSWER;
  const bus = PCIE_GIGABYTES_PER_SECOND[pcie];
  return ((bus + host + REGENERATED_GIGABYTES_PER_SECOND) / CROSSING_SHARE) * 1e9;
}

/** The least rate of a pair at which two units of a class are linked, in bytes per second; null for a class whose links cannot be told from a bus. */
export function linkFloor(gpuClass: string): number | null {
  const link = GPU_LINKS.find((one) => one.class === gpuClass);
  if (link === undefined) return null;
  const floor = Math.round(LINK_SHARE * link.gigabytesPerSecond) * 1e9;
  return floor >= CLEARANCE * unlinkedBytesPerSecond(link) ? floor : null;
}

/** A unit with what was measured of the pair that it led. */
export interface PairedUnit extends ProvenUnit {
  unit: string;
  /** Null where no pair was measured. */
  pair: { peer: string; passed: boolean; bytesPerSecond: number } | null;
}

/** What is known of the links of a machine. */
export interface MachineLink {
  linked: boolean;
  /** The slowest pair of the ring; null unless every pair was measured and passed. */
  bytesPerSecond: number | null;
}

/**
 * Whether a machine is linked: all its units passed under one barrier, their pairs make one ring through all of them (for two units one pair), and the slowest pair
 * reaches the floor of the machine's class. What was not measured is not linked.
 */
export function linkOfMachine(units: readonly PairedUnit[]): MachineLink {
  const machine = classifyMachine(units);
  const rates = machine === null ? null : ringRates(units);
  if (machine === null || rates === null) return { linked: false, bytesPerSecond: null };
  const bytesPerSecond = Math.min(...rates);
  const floor = linkFloor(machine.class);
  return { linked: floor !== null && bytesPerSecond >= floor, bytesPerSecond };
}

/** The rates of all pairs of the ring; null where it is not complete. */
function ringRates(units: readonly PairedUnit[]): number[] | null {
  if (units.length < 2) return null;
  const byName = new Map(units.map((one) => [one.unit, one]));
  const passed = units.filter(({ pair }) => pair?.passed === true && byName.has(pair.peer));
  if (units.length === 2 && passed.length === 1 && passed[0]!.pair!.peer !== passed[0]!.unit) {
    return [passed[0]!.pair!.bytesPerSecond];
  }
  const rates: number[] = [];
  const seen = new Set<string>();
  for (let at = units[0]!; !seen.has(at.unit); at = byName.get(at.pair!.peer)!) {
    if (!passed.includes(at)) return null;
    seen.add(at.unit);
    rates.push(at.pair!.bytesPerSecond);
  }
  return seen.size === units.length ? rates : null;
}

/** A validator's newest whole check of a machine, unit by unit. */
export interface WholeCheck {
  endedAtMs: number;
  units: readonly PairedUnit[];
}

/**
 * What the newest whole checks of several validators say of a machine of these units: linked when more than half of them say so, at the slowest rate that they found.
 * Null when nobody measured its pairs.
 */
export function linkByValidators(
  units: readonly string[],
  checks: readonly WholeCheck[],
): (MachineLink & { measuredAtMs: number }) | null {
  if (checks.length === 0) return null;
  const words = checks.map((check) => {
    const own = check.units.filter(({ unit }) => units.includes(unit));
    return new Set(own.map(({ unit }) => unit)).size === units.length ? linkOfMachine(own) : UNLINKED;
  });
  const linked = words.filter((word) => word.linked);
  const isLinked = 2 * linked.length > words.length;
  const rates = (isLinked ? linked : words).flatMap(({ bytesPerSecond }) => bytesPerSecond ?? []);
  return {
    linked: isLinked,
    bytesPerSecond: rates.length === 0 ? null : Math.min(...rates),
    measuredAtMs: Math.max(...checks.map(({ endedAtMs }) => endedAtMs)),
  };
}

const UNLINKED: MachineLink = { linked: false, bytesPerSecond: null };

/** Two units that are measured together; the first one's prover answers. */
export interface UnitPair {
  lead: string;
  peer: string;
}

/**
 * The pairs of a machine in rounds: each unit with its neighbour in a ring, every unit in one pair of a round at most, so that n units take two rounds, or three
 * where n is odd, and not n times n.
 */
export function pairRounds(units: readonly string[]): UnitPair[][] {
  if (units.length < 2) return [];
  const last = units.length - 1;
  const edges = units.map((lead, i): UnitPair => ({ lead, peer: units[(i + 1) % units.length]! }));
  if (units.length === 2) return [[edges[0]!]];
  const rounds: UnitPair[][] = [edges.filter((_, i) => i % 2 === 0 && i < last), edges.filter((_, i) => i % 2 === 1)];
  if (units.length % 2 === 1) rounds.push([edges[last]!]);
  return rounds;
}
