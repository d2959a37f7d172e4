/**
 * Which validators check which machine in an epoch, and who coordinates its barrier: a pure function of one finalised block hash and the
 * permits at that block, so anyone who reads the chain recomputes it.
 *
 * The draw is uniform over the permits and not weighted by stake. A permit already has its price in stake, the chain weighs every
 * validator's word by stake when it forms weights, and a draw by stake would hand nearly every machine to the same few largest ones:
 * a host would then know years ahead whom it has to please.
 */

/** How many validators check a machine in one epoch. */
export const VALIDATORS_PER_MACHINE = 3;
/** How many are drawn per machine: those assigned, and after them who stands in for a machine that nobody comes to. */
export const PLACES_PER_MACHINE = 7;
/** Each place begins the first check of a new machine this much after the one before it, in milliseconds: all seven have begun within nine minutes. */
export const PLACE_STEP_MS = 90_000;

/** SHA-256 of a text's UTF-8 bytes; an argument, since the rules import nothing. */
export type TextDigest = (text: string) => Uint8Array;

/** What decides an epoch's assignment. */
export interface EpochDraw {
  /** Hash of the epoch's first block, 64 lowercase hex digits, once it is final. */
  blockHash: string;
  /** Hotkeys that had a validator permit at that block, in any order. */
  permits: readonly string[];
}

/**
 * The hotkeys that are drawn for a machine, by place: the first `VALIDATORS_PER_MACHINE` are assigned. With fewer permits than places
 * everybody is drawn.
 *
 * A Fisher-Yates shuffle of the sorted permits, whose draws are the big-endian 32-bit words of
 * `digest("celium/assignment/v1\n<block hash>\n<machine key>")`.
 */
export function drawValidators(epoch: EpochDraw, machineKey: string, digest: TextDigest): string[] {
  const hotkeys = [...new Set(epoch.permits)].sort();
  const places = Math.min(PLACES_PER_MACHINE, hotkeys.length);
  const draws = digest(`celium/assignment/v1\n${epoch.blockHash}\n${machineKey}`);
  for (let place = 0; place < places; place += 1) {
    const from = place + Math.floor((wordAt(draws, place) / 2 ** 32) * (hotkeys.length - place));
    [hotkeys[place], hotkeys[from]] = [hotkeys[from] as string, hotkeys[place] as string];
  }
  return hotkeys.slice(0, places);
}

/** Who coordinates the epoch's barrier: drawn like a machine's first place. Null without any permit. */
export function drawCoordinator(epoch: EpochDraw, digest: TextDigest): string | null {
  const hotkeys = [...new Set(epoch.permits)].sort();
  const draw = digest(`celium/barrier-coordinator/v1\n${epoch.blockHash}`);
  return hotkeys[Math.floor((wordAt(draw, 0) / 2 ** 32) * hotkeys.length)] ?? null;
}

/** Whether the validator at `place` (0 is the first, -1 not drawn) is assigned to the machine for the whole epoch. */
export function isAssigned(place: number): boolean {
  return place >= 0 && place < VALIDATORS_PER_MACHINE;
}

/**
 * How long after a machine became known the validator at `place` begins its first check, in milliseconds; null for one who may not.
 *
 * The first place begins at once and the others one after the other, so that three checks do not meet at a new machine's door, and a machine
 * whose assigned validators are all offline is still checked within ten minutes, by a place that only stands in.
 */
export function firstCheckAfterMs(place: number): number | null {
  return place < 0 || place >= PLACES_PER_MACHINE ? null : place * PLACE_STEP_MS;
}

/** A big-endian 32-bit word of a digest. */
function wordAt(bytes: Uint8Array, index: number): number {
  const at = index * 4;
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
  return a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
}
