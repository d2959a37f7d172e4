/**
 * The second at which idle machines of the whole network are challenged together: nobody can know it early, and everybody can check it later.
 *
 * At the epoch's first block the coordinator commits to a secret. A later block, whose hash nobody knows then, decides the second together
 * with that secret: the coordinator cannot choose it, and whoever lacks the secret cannot foresee it. After the barrier the secret is public.
 */

import type { TextDigest } from './assignment.ts';

/** The block that decides comes this many blocks after the epoch's first: until then the commitment has to be out. */
export const BARRIER_DRAW_BLOCKS = 25;
/** From the deciding block to the earliest second: finality, and the time to tell other validators and to have pods ready. */
const LEAD_MS = 240_000;
/** From the latest second to the expected end of the epoch. */
const TAIL_MS = 120_000;
/** A window shorter than this hides nothing, so a chain with such short epochs has no barriers. */
const MIN_WINDOW_MS = 60_000;
/** Machines of one barrier start within this of its second; who comes later was not in it. */
export const BARRIER_SPREAD_MS = 3_000;
/** How long before its second a barrier's leases are taken. */
export const BARRIER_PREPARE_MS = 75_000;
/** How long after its second the secret becomes public. */
export const BARRIER_DISCLOSE_MS = 120_000;

/** Seconds that may be drawn: `seconds` of them from `fromMs` (unix ms) on. */
export interface BarrierWindow {
  fromMs: number;
  seconds: number;
}

/**
 * The window of an epoch, from the times of two final blocks: its first, and the deciding one `BARRIER_DRAW_BLOCKS` later. Null where the
 * epoch is too short for a barrier.
 */
export function barrierWindow(epochTimeMs: number, drawTimeMs: number, tempo: number): BarrierWindow | null {
  const blockMs = (drawTimeMs - epochTimeMs) / BARRIER_DRAW_BLOCKS;
  const fromMs = Math.ceil((drawTimeMs + LEAD_MS) / 1000) * 1000;
  const untilMs = epochTimeMs + tempo * blockMs - TAIL_MS;
  return untilMs - fromMs < MIN_WINDOW_MS ? null : { fromMs, seconds: Math.floor((untilMs - fromMs) / 1000) };
}

/**
 * The barrier's second, unix ms.
 *
 * @param drawHash hash of the deciding block, 64 lowercase hex digits
 * @param secret the coordinator's, 64 lowercase hex digits
 */
export function barrierMomentMs(window: BarrierWindow, drawHash: string, secret: string, digest: TextDigest): number {
  const bytes = digest(`celium/barrier-moment/v1\n${drawHash}\n${secret}`);
  // Six bytes: below 2^53, and even over a window of hours to one part in 2^34.
  const draw = bytes.subarray(0, 6).reduce((value, byte) => value * 256 + byte, 0);
  return window.fromMs + (draw % window.seconds) * 1000;
}

/** What the coordinator commits to for the epoch of block `epochHash`; 32 bytes. */
export function barrierCommitment(epochHash: string, secret: string, digest: TextDigest): Uint8Array {
  return digest(`celium/barrier-commitment/v1\n${epochHash}\n${secret}`);
}

/** What seeds and receipts of the barrier name it by; 16 bytes. Nobody can know it before the secret. */
export function barrierIdOf(epochHash: string, secret: string, digest: TextDigest): Uint8Array {
  return digest(`celium/barrier-id/v1\n${epochHash}\n${secret}`).subarray(0, 16);
}
