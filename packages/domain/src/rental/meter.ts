/**
 * The two-witness meter: a moment is billable only when the agent's heartbeats and the market's probes both cover it.
 *
 * Everything is laid on one timeline, the market host's monotonic clock (with its boot id, since that clock starts anew at a boot).
 * The agent's word is cumulative, so lost, doubled and reordered heartbeats are harmless. Within an overlap the smaller of both
 * counts (design protocol.md, "Readiness and meter"). Pure data in, pure data out: the state is stored with the rental.
 */

/** Two sightings by one witness further apart than this leave the time between them unwitnessed, in milliseconds. */
export const MAX_WITNESS_GAP_MS = 120_000;

/** A moment on the market host's monotonic clock. */
export interface MarketMoment {
  /** Boot id of the market's host: moments of different boots cannot be compared. */
  bootId: string;
  /** Milliseconds on that host's monotonic clock, an integer. */
  atMs: number;
}

/** One heartbeat's word on one pod. */
export interface AgentSighting {
  /** The container of the lease; another one (after a restart) starts to count anew. */
  podInstance: string;
  /** The machine's boot id; after a reboot the agent's monotonic clock starts anew. */
  bootId: string;
  /** Milliseconds that the pod has been ready, cumulative, monotonic, an integer. */
  cumulativeMs: number;
  /** When the market received it. */
  received: MarketMoment;
}

/** A stretch of the market's timeline that one witness vouches for; `agentMs` of it by the agent's own clock. */
interface Stretch {
  fromMs: number;
  toMs: number;
  agentMs: number;
}

/** What the meter of one rental remembers. */
export interface MeterState {
  lastAgent: AgentSighting | null;
  lastProbe: MarketMoment | null;
  /** Stretches that wait for the other witness; bounded, since what both have passed is folded in. */
  agentStretches: Stretch[];
  marketStretches: Stretch[];
  /** Milliseconds that both witnessed: what is charged. Only grows. */
  billableMs: number;
  /** Milliseconds not charged, by reason. */
  freeMs: {
    /** The agent was silent for too long. */
    agentSilent: number;
    /** The market's probe did not get through for too long. */
    unreachable: number;
    /** The market itself was away: free to the renter, and the market owes the provider for it. */
    marketAway: number;
  };
}

/** A meter that has seen nothing. */
export const EMPTY_METER: MeterState = {
  lastAgent: null,
  lastProbe: null,
  agentStretches: [],
  marketStretches: [],
  billableMs: 0,
  freeMs: { agentSilent: 0, unreachable: 0, marketAway: 0 },
};

/** The most stretches kept for one witness while the other is silent; older ones are given to the renter. */
const MAX_WAITING_STRETCHES = 64;

/** Takes in one heartbeat. A repeated or older one changes nothing. */
export function seenByAgent(meter: MeterState, sighting: AgentSighting): MeterState {
  const last = meter.lastAgent;
  const restarted = last === null || last.podInstance !== sighting.podInstance || last.bootId !== sighting.bootId;
  if (restarted) return { ...meter, lastAgent: sighting };
  if (sighting.cumulativeMs <= last.cumulativeMs) return meter;
  if (last.received.bootId !== sighting.received.bootId) {
    const awayMs = sighting.cumulativeMs - last.cumulativeMs;
    return { ...meter, lastAgent: sighting, freeMs: { ...meter.freeMs, marketAway: meter.freeMs.marketAway + awayMs } };
  }
  const elapsedMs = sighting.received.atMs - last.received.atMs;
  if (elapsedMs <= 0) return meter;
  if (elapsedMs > MAX_WITNESS_GAP_MS) {
    return {
      ...meter,
      lastAgent: sighting,
      freeMs: { ...meter.freeMs, agentSilent: meter.freeMs.agentSilent + elapsedMs },
    };
  }
  const stretch: Stretch = {
    fromMs: last.received.atMs,
    toMs: sighting.received.atMs,
    agentMs: Math.min(elapsedMs, sighting.cumulativeMs - last.cumulativeMs),
  };
  return fold({ ...meter, lastAgent: sighting, agentStretches: [...meter.agentStretches, stretch] });
}

/**
 * Takes in one successful probe. `marketWasAway` says that the market sent no probe since the last one (it was down), which
 * decides who pays for a gap that is too long.
 */
export function seenByMarket(meter: MeterState, probed: MarketMoment, marketWasAway = false): MeterState {
  const last = meter.lastProbe;
  if (last === null || last.bootId !== probed.bootId) return { ...meter, lastProbe: probed };
  const elapsedMs = probed.atMs - last.atMs;
  if (elapsedMs <= 0) return meter;
  if (elapsedMs > MAX_WITNESS_GAP_MS) {
    const reason = marketWasAway ? 'marketAway' : 'unreachable';
    return {
      ...meter,
      lastProbe: probed,
      freeMs: { ...meter.freeMs, [reason]: meter.freeMs[reason] + elapsedMs },
    };
  }
  const stretch: Stretch = { fromMs: last.atMs, toMs: probed.atMs, agentMs: elapsedMs };
  return fold({ ...meter, lastProbe: probed, marketStretches: [...meter.marketStretches, stretch] });
}

/** Counts what both witnesses have passed by now, and forgets it. */
function fold(meter: MeterState): MeterState {
  const agent = [...meter.agentStretches];
  const market = [...meter.marketStretches];
  let billableMs = meter.billableMs;
  while (agent.length > 0 && market.length > 0) {
    const a = agent[0] as Stretch;
    const m = market[0] as Stretch;
    const fromMs = Math.max(a.fromMs, m.fromMs);
    const toMs = Math.min(a.toMs, m.toMs);
    if (toMs > fromMs) billableMs += agentMsUpTo(a, toMs) - agentMsUpTo(a, fromMs);
    if (a.toMs <= m.toMs) agent.shift();
    else market.shift();
  }
  return {
    ...meter,
    billableMs,
    agentStretches: agent.slice(-MAX_WAITING_STRETCHES),
    marketStretches: market.slice(-MAX_WAITING_STRETCHES),
  };
}

/** How much of a stretch's agent time lies before `atMs`: cumulative and floored, so that cutting a stretch loses nothing. */
function agentMsUpTo(stretch: Stretch, atMs: number): number {
  return Math.floor((stretch.agentMs * (atMs - stretch.fromMs)) / (stretch.toMs - stretch.fromMs));
}
