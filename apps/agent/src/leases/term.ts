/** The term of a lease: counted on the monotonic clock from the grant, and carried over a reboot as far as it was noted. */

/** A term that runs. `fromMs` is a reading of the monotonic clock of the boot `bootId`; `usedMs` went by before it. */
export interface Term {
  termMs: number;
  bootId: string;
  fromMs: number;
  usedMs: number;
}

/** A moment on the machine's monotonic clock. */
export interface Moment {
  bootId: string;
  monotonicMs: number;
}

/** A term that begins now. */
export function beginTerm(termMs: number, now: Moment): Term {
  return { termMs, bootId: now.bootId, fromMs: now.monotonicMs, usedMs: 0 };
}

/** How much of the term has gone by; after a reboot only what had been noted before it. */
export function usedOfTermMs(term: Term, now: Moment): number {
  if (term.bootId !== now.bootId) return term.usedMs;
  return term.usedMs + Math.max(0, now.monotonicMs - term.fromMs);
}

/** What is left of the term, at least 0. */
export function leftOfTermMs(term: Term, now: Moment): number {
  return Math.max(0, term.termMs - usedOfTermMs(term, now));
}

/** The same term with what has gone by noted, on the clock of this boot. */
export function noteTerm(term: Term, now: Moment): Term {
  return { ...term, bootId: now.bootId, fromMs: now.monotonicMs, usedMs: usedOfTermMs(term, now) };
}

/**
 * The term after a signed message of its authority, whose clock says that `elapsedMs` went by since the request: a machine
 * that was off learns how long. Time is only ever added, and never within one boot, where our own clock knows better.
 */
export function learnElapsed(term: Term, elapsedMs: number, now: Moment): Term {
  const noted = noteTerm(term, now);
  return term.bootId === now.bootId ? noted : { ...noted, usedMs: Math.max(noted.usedMs, elapsedMs) };
}
