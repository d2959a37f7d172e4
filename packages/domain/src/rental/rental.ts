/**
 * The life of a rental, in one place: `decide(state, command, now)` gives the next state and the effects, or a refusal.
 *
 * States are few (`reserved, starting, running, stopping, ended`); *why* a rental ended is data (`endReason`). Effects are data too:
 * the market writes them to its outbox in the same transaction as the state, and a worker carries them out.
 */

import type { HandOverVerdict } from '../verification/hand-over.ts';

export type RentalState = 'reserved' | 'starting' | 'running' | 'stopping' | 'ended';

export type EndReason =
  | 'renter-stopped'
  | 'balance-exhausted'
  | 'agent-refused'
  | 'agent-silent'
  | 'check-failed'
  | 'start-failed'
  | 'start-timeout'
  | 'pod-died'
  | 'provider-ended'
  | 'unreachable-too-long'
  | 'operator-stopped';

/** How long the agent may take to answer a lease request, in milliseconds. */
export const GRANT_TIMEOUT_MS = 20_000;
/** How long a pod may take from grant to ready (image pull included), in milliseconds. */
export const START_TIMEOUT_MS = 30 * 60_000;
/** How long a stop may go unanswered before the rental ends for the renter; the units stay bound until the agent answers. */
export const STOP_TIMEOUT_MS = 60_000;
/** Silence of the agent after which a rental shows as unreachable, in milliseconds. It keeps running and is not billed. */
export const UNREACHABLE_AFTER_MS = 5 * 60_000;
/** Silence of the agent after which a rental ends by itself, in milliseconds. */
export const UNREACHABLE_END_MS = 24 * 3_600_000;
/**
 * How long a pod may go unseen by the market's probes while its agent is heard, in milliseconds. Without this bound a renter who closes
 * the pod's SSH port would use it unbilled for ever.
 */
export const UNPROBED_END_MS = 15 * 60_000;

/** The check of a rental's units before they are handed over: until it has a verdict the machine is not asked for a lease. */
export interface HandOverCheck {
  /** The end of the wait, unix milliseconds. */
  untilMs: number;
  /** Null while it lasts; `none` when no validator made one. */
  verdict: HandOverVerdict | null;
}

/** What decides about a rental. Times are the market's wall clock in unix milliseconds; meters are kept elsewhere. */
export interface Rental {
  state: RentalState;
  /** Why it is stopping or has ended. */
  endReason: EndReason | null;
  /** When the state was entered. */
  sinceMs: number;
  /** The check before the hand-over; null when there was none. */
  check: HandOverCheck | null;
  /** The agent's grant is in: the machine is bound until it says that the pod is gone. */
  granted: boolean;
  agentReady: boolean;
  probeReady: boolean;
  /** Last word from the agent about this lease. */
  agentSeenAtMs: number;
  /** First moment at which both witnesses saw the pod ready. */
  readyAtMs: number | null;
  /** The market may lease the units again. False while the agent has not said that the pod is gone. */
  unitsReleased: boolean;
}

export type RentalCommand =
  /** What came of the check before the hand-over; `none` when no validator made one. */
  | { type: 'checked'; verdict: 'pass' | 'fail' | 'none' }
  | { type: 'grant' }
  | { type: 'refusal' }
  | { type: 'agent-ready' }
  | { type: 'probe-ready' }
  | { type: 'agent-seen' }
  | { type: 'pod-gone'; reason: 'start-failed' | 'pod-died' | 'provider-ended' | 'stopped' }
  /** The market tried to probe the pod for `forMs` milliseconds, and no probe got through. */
  | { type: 'unprobed'; forMs: number }
  | { type: 'stop'; reason: 'renter-stopped' | 'balance-exhausted' | 'operator-stopped' }
  | { type: 'tick' };

export type RentalEffect =
  | { type: 'request-lease' }
  | { type: 'start-probing' }
  | { type: 'stop-lease' }
  | { type: 'settle' }
  | { type: 'release-hold' }
  | { type: 'release-units' };

export type Decision =
  | { ok: true; rental: Rental; effects: RentalEffect[] }
  | { ok: false; refusal: 'RENTAL_ENDED' | 'RENTAL_NOT_STARTING' };

/** A rental at the moment of its reservation, with the effect that asks the agent, unless its units are checked first, until `checkUntilMs`. */
export function reserve(
  nowMs: number,
  checkUntilMs: number | null = null,
): { rental: Rental; effects: RentalEffect[] } {
  const rental: Rental = {
    state: 'reserved',
    endReason: null,
    sinceMs: nowMs,
    check: checkUntilMs === null ? null : { untilMs: checkUntilMs, verdict: null },
    granted: false,
    agentReady: false,
    probeReady: false,
    agentSeenAtMs: nowMs,
    readyAtMs: null,
    unitsReleased: false,
  };
  return { rental, effects: checkUntilMs === null ? [{ type: 'request-lease' }] : [] };
}

/** What may happen next. Commands that say what is already so are accepted and change nothing. */
export function decide(rental: Rental, command: RentalCommand, nowMs: number): Decision {
  // The machine has not been asked yet: nothing that it says, and no probe, is about this rental.
  if (isBeingChecked(rental) && !['checked', 'stop', 'tick'].includes(command.type)) return same(rental);
  switch (command.type) {
    case 'checked':
      return onChecked(rental, command.verdict, nowMs);
    case 'grant':
      return onGrant(rental, nowMs);
    case 'refusal':
      return onRefusal(rental, nowMs);
    case 'agent-ready':
      return onReady(rental, { agentReady: true, agentSeenAtMs: nowMs }, nowMs);
    case 'probe-ready':
      return onReady(rental, { probeReady: true }, nowMs);
    case 'agent-seen':
      return rental.state === 'ended'
        ? same(rental)
        : { ok: true, rental: { ...rental, agentSeenAtMs: nowMs }, effects: [] };
    case 'pod-gone':
      return onPodGone(rental, command.reason, nowMs);
    case 'stop':
      return onStop(rental, command.reason, nowMs);
    case 'unprobed':
      return onUnprobed(rental, command.forMs, nowMs);
    case 'tick':
      return onTick(rental, nowMs);
  }
}

/**
 * Whether a probe of the pod still counts for the meter. Not once a stop was asked for: the stop brings its own last probe, and one
 * that was under way at that moment must not bill past it.
 */
export function probeCounts(rental: Rental): boolean {
  return rental.state !== 'stopping' && rental.state !== 'ended';
}

/** True when the agent has been silent for so long that the rental is shown as unreachable. */
export function isUnreachable(rental: Rental, nowMs: number): boolean {
  return rental.state === 'running' && nowMs - rental.agentSeenAtMs > UNREACHABLE_AFTER_MS;
}

/** A failed check ends the rental before anything was asked of the machine; without one the rental goes on, and says so. */
function onChecked(rental: Rental, verdict: HandOverVerdict, nowMs: number): Decision {
  if (rental.check === null || !isBeingChecked(rental)) return same(rental);
  const checked: Rental = { ...rental, check: { ...rental.check, verdict } };
  if (verdict === 'fail') return end(checked, 'check-failed', nowMs);
  return { ok: true, rental: { ...checked, sinceMs: nowMs }, effects: [{ type: 'request-lease' }] };
}

/** True while the machine is checked before it is asked for a lease. */
export function isBeingChecked(rental: Rental): boolean {
  return rental.state === 'reserved' && rental.check?.verdict === null;
}

function onGrant(rental: Rental, nowMs: number): Decision {
  if (rental.state === 'reserved') {
    const next: Rental = { ...rental, state: 'starting', granted: true, sinceMs: nowMs, agentSeenAtMs: nowMs };
    // A repeated grant may come after the first word that the pod is ready: what was seen is not forgotten.
    const seen = runWhenReady(next, nowMs);
    return { ok: true, rental: seen, effects: [{ type: 'start-probing' }] };
  }
  // A grant that comes after the market gave up binds the machine all the same: it must be stopped there.
  if ((rental.state === 'ended' || rental.state === 'stopping') && !rental.granted) {
    return { ok: true, rental: { ...rental, granted: true }, effects: [{ type: 'stop-lease' }] };
  }
  return same(rental);
}

function onRefusal(rental: Rental, nowMs: number): Decision {
  if (rental.granted || rental.state === 'ended') return same(rental);
  return end(rental, rental.endReason ?? 'agent-refused', nowMs);
}

function onReady(rental: Rental, seen: Partial<Rental>, nowMs: number): Decision {
  if (rental.state === 'ended') return same(rental);
  return { ok: true, rental: runWhenReady({ ...rental, ...seen }, nowMs), effects: [] };
}

function runWhenReady(rental: Rental, nowMs: number): Rental {
  if (rental.state !== 'starting' || !rental.agentReady || !rental.probeReady) return rental;
  return { ...rental, state: 'running', sinceMs: nowMs, readyAtMs: nowMs };
}

function onPodGone(
  rental: Rental,
  reason: 'start-failed' | 'pod-died' | 'provider-ended' | 'stopped',
  nowMs: number,
): Decision {
  if (rental.state === 'ended') {
    if (rental.unitsReleased) return same(rental);
    return { ok: true, rental: { ...rental, unitsReleased: true }, effects: [{ type: 'release-units' }] };
  }
  const why = rental.endReason ?? (reason === 'stopped' ? 'provider-ended' : reason);
  return end(rental, why, nowMs);
}

function onStop(rental: Rental, reason: EndReason, nowMs: number): Decision {
  switch (rental.state) {
    case 'ended':
      return { ok: false, refusal: 'RENTAL_ENDED' };
    case 'stopping':
      return same(rental);
    case 'reserved':
    case 'starting':
    case 'running':
      // While it is checked nothing has been asked of the agent: nobody has to be waited for.
      return isBeingChecked(rental) ? end(rental, reason, nowMs) : stopFor(rental, reason, nowMs);
  }
}

/** Ends a rental whose pod answers to nobody. While the agent is silent as well, the path may be cut: that has its own, longer limit. */
function onUnprobed(rental: Rental, forMs: number, nowMs: number): Decision {
  if (rental.state !== 'running' || forMs <= UNPROBED_END_MS || isUnreachable(rental, nowMs)) return same(rental);
  return stopFor(rental, 'unreachable-too-long', nowMs);
}

function onTick(rental: Rental, nowMs: number): Decision {
  const waitedMs = nowMs - rental.sinceMs;
  if (isBeingChecked(rental))
    return nowMs > (rental.check?.untilMs ?? 0) ? onChecked(rental, 'none', nowMs) : same(rental);
  if (rental.state === 'reserved' && waitedMs > GRANT_TIMEOUT_MS) return end(rental, 'agent-silent', nowMs);
  if (rental.state === 'stopping' && !rental.granted && waitedMs > GRANT_TIMEOUT_MS) {
    return end(rental, rental.endReason ?? 'renter-stopped', nowMs);
  }
  if (rental.state === 'stopping' && waitedMs > STOP_TIMEOUT_MS) {
    const next: Rental = { ...rental, state: 'ended', endReason: rental.endReason ?? 'renter-stopped', sinceMs: nowMs };
    return { ok: true, rental: next, effects: [{ type: 'settle' }, { type: 'release-hold' }] };
  }
  if (rental.state === 'starting' && waitedMs > START_TIMEOUT_MS) {
    return stopFor(rental, 'start-timeout', nowMs);
  }
  if (rental.state === 'running' && nowMs - rental.agentSeenAtMs > UNREACHABLE_END_MS) {
    return stopFor(rental, 'unreachable-too-long', nowMs);
  }
  return same(rental);
}

/** Begins to stop; without a grant there is nothing at the machine yet that could be stopped. */
function stopFor(rental: Rental, endReason: EndReason, nowMs: number): Decision {
  const next: Rental = { ...rental, state: 'stopping', endReason, sinceMs: nowMs };
  return { ok: true, rental: next, effects: rental.granted ? [{ type: 'stop-lease' }] : [] };
}

function end(rental: Rental, endReason: EndReason, nowMs: number): Decision {
  const next: Rental = { ...rental, state: 'ended', endReason, sinceMs: nowMs, unitsReleased: true };
  return { ok: true, rental: next, effects: [{ type: 'settle' }, { type: 'release-hold' }, { type: 'release-units' }] };
}

function same(rental: Rental): Decision {
  return { ok: true, rental, effects: [] };
}
