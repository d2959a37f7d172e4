/**
 * The two-witness meter: a moment is billable only when the agent's heartbeats and the market's probes both cover it.
 *
 * Everything is laid on one timeline, the market host's monotonic clock (with its boot id, since that clock starts anew at a boot).
 * The agent's word is cumulative and is laid by its own clock, not by the moment at which it arrived, so lost, doubled, reordered and
 * late heartbeats are harmless. A moment counts once: billable, or free with one reason. Pure data in, pure data out: the state is
 * stored with the rental.
 */

/** Two sightings by one witness further apart than this leave the time between them unwitnessed, in milliseconds. */
export const MAX_WITNESS_GAP_MS = 120_000;

/** The most that a market owes for one absence of its host, in milliseconds: a rental that nobody hears of ends by then. */
export const MAX_OWED_ABSENCE_MS = 24 * 3_600_000;

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

/** What the agent says of a stretch: ready; ready but said too late (after more than the longest gap); nothing. */
type AgentWord = 'ready' | 'late' | 'silent';
/** What the market's probes say of a stretch: seen; no probe got through; the market sent none. */
type MarketWord = 'seen' | 'unreachable' | 'marketAway';

/** A stretch of the timeline, `fromMs` included and `toMs` not, and what one witness says of it. */
interface Stretch<Word> {
  fromMs: number;
  toMs: number;
  word: Word;
}

/** How one pod's cumulative milliseconds lie on the timeline. */
interface AgentClock {
  /** `cumulativeMs + offsetMs` is a moment of the timeline: the smallest delay seen is the best estimate there is. */
  offsetMs: number;
  /** Smallest offset among the newest sightings, and how many those are: a pod that was not ready for a while moves it up. */
  recentOffsetMs: number;
  recentCount: number;
  /** The agent's word has been laid up to here. */
  laidToMs: number;
  /** True while this is the rental's first pod on its first timeline, whose beginning may still prove to be earlier. */
  first: boolean;
}

/** What the meter of one rental remembers. */
export interface MeterState {
  lastAgent: AgentSighting | null;
  lastProbe: MarketMoment | null;
  /** Boot id of the market's host that the stretches belong to. */
  timelineBootId: string | null;
  /** Boots of the market's host before this one. One that comes back is no reboot but a second host, and no absence. */
  formerBootIds: string[];
  agentClock: AgentClock | null;
  /** Pods of this rental that were replaced: a late word about one of them changes nothing. */
  replacedPods: string[];
  /** Stretches that wait for the other witness; bounded, since what both have passed is folded in. */
  agentStretches: Stretch<AgentWord>[];
  marketStretches: Stretch<MarketWord>[];
  /** What the market saw just before the agent's first word, in milliseconds; null until both have begun. */
  leadMs: number | null;
  /** Milliseconds that both witnessed: what is charged. Only grows. */
  billableMs: number;
  /** Milliseconds not charged, by reason. */
  freeMs: {
    /** The agent was silent for too long, or said that the pod was not ready. */
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
  timelineBootId: null,
  formerBootIds: [],
  agentClock: null,
  replacedPods: [],
  agentStretches: [],
  marketStretches: [],
  leadMs: null,
  billableMs: 0,
  freeMs: { agentSilent: 0, unreachable: 0, marketAway: 0 },
};

/** The most stretches kept for one witness while the other is silent; older ones are given to the renter. */
const MAX_WAITING_STRETCHES = 64;
/** The most replaced pods, and former boots of the market's host, that are remembered. */
const MAX_REPLACED_PODS = 8;
const MAX_FORMER_BOOTS = 8;
/** After this many sightings the agent's clock is laid anew if it has moved by more than `RELAY_ABOVE_MS`. */
const RELAY_AFTER_SIGHTINGS = 16;
const RELAY_ABOVE_MS = 15_000;

/** Takes in one heartbeat. A repeated or older one changes nothing. */
export function seenByAgent(before: MeterState, sighting: AgentSighting): MeterState {
  if (before.replacedPods.includes(podKey(sighting))) return before;
  const meter = onTimeline(before, sighting.received.bootId);
  const last = meter.lastAgent;
  if (last === null) return begin(meter, sighting, sighting.cumulativeMs);
  if (podKey(last) !== podKey(sighting)) {
    // It may count on from before (the same pod after a reboot), so its word begins here.
    const replacedPods = [...meter.replacedPods, podKey(last)].slice(-MAX_REPLACED_PODS);
    return begin({ ...meter, replacedPods }, sighting, 0);
  }
  const readyMs = sighting.cumulativeMs - last.cumulativeMs;
  if (last.received.bootId !== sighting.received.bootId) {
    if (readyMs <= 0) return meter;
    const owed = owedForAbsence(meter, sighting.received.bootId, readyMs);
    return { ...owed, lastAgent: sighting, agentClock: clockFrom(sighting, false) };
  }
  const elapsedMs = sighting.received.atMs - last.received.atMs;
  if (elapsedMs <= 0) return meter;
  if (last.cumulativeMs === 0) return begin(meter, sighting, sighting.cumulativeMs);
  if (readyMs <= 0 || meter.agentClock === null) return meter;
  if (elapsedMs > MAX_WITNESS_GAP_MS) {
    const agentClock = { ...clockFrom(sighting, false), laidToMs: meter.agentClock.laidToMs };
    return fold(lay({ ...meter, agentClock }, sighting, readyMs, 'late'));
  }
  const clock = advance(meter.agentClock, sighting);
  const earlierMs = clock.first ? meter.agentClock.offsetMs - clock.offsetMs : 0;
  return fold(lay(begunEarlier({ ...meter, agentClock: clock }, earlierMs), sighting, readyMs, 'ready'));
}

/**
 * Takes in one successful probe. `marketWasAway` says that the market sent no probe since the last one (it was down), which
 * decides who pays for a gap that is too long.
 */
export function seenByMarket(before: MeterState, probed: MarketMoment, marketWasAway = false): MeterState {
  const meter = onTimeline(before, probed.bootId);
  const last = meter.lastProbe;
  if (last === null) return { ...meter, lastProbe: probed };
  if (probed.atMs <= last.atMs) return meter;
  const word = probed.atMs - last.atMs <= MAX_WITNESS_GAP_MS ? 'seen' : marketWasAway ? 'marketAway' : 'unreachable';
  const marketStretches = append(meter.marketStretches, last.atMs, probed.atMs, word);
  return fold({ ...meter, lastProbe: probed, marketStretches });
}

/** Starts a new timeline when the market's host has booted. Ready time that no probe can confirm any more is the market's debt. */
function onTimeline(meter: MeterState, bootId: string): MeterState {
  const { timelineBootId } = meter;
  if (timelineBootId === bootId) return meter;
  if (timelineBootId === null) return { ...meter, timelineBootId: bootId };
  const waitingMs = meter.lastProbe === null ? 0 : readyAfter(meter.agentStretches, meter.lastProbe.atMs);
  const known = meter.formerBootIds.filter((former) => former !== timelineBootId);
  return {
    ...owedForAbsence(meter, bootId, waitingMs),
    timelineBootId: bootId,
    formerBootIds: [...known, timelineBootId].slice(-MAX_FORMER_BOOTS),
    lastProbe: null,
    agentClock: null,
    agentStretches: [],
    marketStretches: [],
    leadMs: 0,
  };
}

/** Counts ready time that only a reboot of the market's host left unwitnessed. */
function owedForAbsence(meter: MeterState, bootId: string, readyMs: number): MeterState {
  if (meter.formerBootIds.includes(bootId)) return meter;
  return countFree(meter, 'marketAway', Math.min(readyMs, MAX_OWED_ABSENCE_MS));
}

/**
 * The first word that a pod is ready: it reaches back by `backMs`, unless that is longer than the longest gap. A pod that has not been
 * ready yet (0 ms) says nothing of when it will be, so its clock is not set.
 */
function begin(meter: MeterState, sighting: AgentSighting, backMs: number): MeterState {
  if (sighting.cumulativeMs === 0) return { ...meter, lastAgent: sighting };
  const reachMs = backMs <= MAX_WITNESS_GAP_MS ? backMs : 0;
  const first = meter.replacedPods.length === 0 && meter.leadMs === null;
  const laidToMs = meter.agentClock?.laidToMs ?? sighting.received.atMs - reachMs;
  const agentClock = { ...clockFrom(sighting, first), laidToMs };
  return fold(lay({ ...meter, agentClock }, sighting, reachMs, 'ready'));
}

/** Lays `readyMs` of the agent's word so that it ends at the sighting's own moment; what lies before it is silence. */
function lay(meter: MeterState, sighting: AgentSighting, readyMs: number, word: AgentWord): MeterState {
  const clock = meter.agentClock as AgentClock;
  const toMs = sighting.cumulativeMs + clock.offsetMs;
  const fromMs = clock.laidToMs;
  if (toMs <= fromMs) return { ...meter, lastAgent: sighting };
  const readyFromMs = Math.max(fromMs, toMs - readyMs);
  const silent = append(meter.agentStretches, fromMs, readyFromMs, 'silent');
  const agentStretches = append(silent, readyFromMs, toMs, word);
  return { ...meter, lastAgent: sighting, agentClock: { ...clock, laidToMs: toMs }, agentStretches };
}

function clockFrom(sighting: AgentSighting, first: boolean): AgentClock {
  const offsetMs = sighting.received.atMs - sighting.cumulativeMs;
  return { offsetMs, recentOffsetMs: offsetMs, recentCount: 1, laidToMs: sighting.received.atMs, first };
}

/** The clock after one more sighting: a shorter delay than ever before moves the offset down, a lasting longer one up. */
function advance(clock: AgentClock, sighting: AgentSighting): AgentClock {
  const seenOffsetMs = sighting.received.atMs - sighting.cumulativeMs;
  const offsetMs = Math.min(clock.offsetMs, seenOffsetMs);
  const recentOffsetMs = clock.recentCount === 0 ? seenOffsetMs : Math.min(clock.recentOffsetMs, seenOffsetMs);
  const recentCount = clock.recentCount + 1;
  if (recentCount < RELAY_AFTER_SIGHTINGS) return { ...clock, offsetMs, recentOffsetMs, recentCount };
  const moved = recentOffsetMs - offsetMs > RELAY_ABOVE_MS;
  return { ...clock, offsetMs: moved ? recentOffsetMs : offsetMs, recentOffsetMs, recentCount: 0 };
}

/**
 * When a shorter delay shows that everything said so far was laid too late, the pod's beginning was earlier by as much: that time is
 * counted as far as the market saw it.
 */
function begunEarlier(meter: MeterState, earlierMs: number): MeterState {
  if (earlierMs <= 0) return meter;
  if (meter.leadMs !== null) {
    const foundMs = Math.min(earlierMs, meter.leadMs);
    return { ...meter, leadMs: meter.leadMs - foundMs, billableMs: meter.billableMs + foundMs };
  }
  const [head, ...rest] = meter.agentStretches;
  if (head !== undefined) return { ...meter, agentStretches: [{ ...head, fromMs: head.fromMs - earlierMs }, ...rest] };
  const clock = meter.agentClock as AgentClock;
  return { ...meter, agentClock: { ...clock, laidToMs: clock.laidToMs - earlierMs } };
}

/** Counts what both witnesses have passed by now, and forgets it. */
function fold(meter: MeterState): MeterState {
  const agent = [...meter.agentStretches];
  const market = [...meter.marketStretches];
  const freeMs = { ...meter.freeMs };
  let { billableMs, leadMs } = meter;
  while (agent.length > 0 && market.length > 0) {
    const a = agent[0] as Stretch<AgentWord>;
    const m = market[0] as Stretch<MarketWord>;
    const countedMs = Math.min(a.toMs, m.toMs) - Math.max(a.fromMs, m.fromMs);
    if (countedMs > 0) {
      leadMs ??= m.word === 'seen' ? Math.max(0, a.fromMs - m.fromMs) : 0;
      const reason = freeReason(a.word, m.word);
      if (reason === null) billableMs += countedMs;
      else freeMs[reason] += countedMs;
    }
    if (a.toMs <= m.toMs) agent.shift();
    else market.shift();
  }
  return {
    ...meter,
    billableMs,
    freeMs,
    leadMs,
    agentStretches: agent.slice(-MAX_WAITING_STRETCHES),
    marketStretches: market.slice(-MAX_WAITING_STRETCHES),
  };
}

/** Why a stretch costs nothing, or null when it is billable. */
function freeReason(agent: AgentWord, market: MarketWord): keyof MeterState['freeMs'] | null {
  if (market === 'unreachable') return 'unreachable';
  if (market === 'marketAway') return agent === 'silent' ? 'agentSilent' : 'marketAway';
  return agent === 'ready' ? null : 'agentSilent';
}

/** Appends a stretch, or lengthens the last one when it says the same; an empty one changes nothing. */
function append<Word>(stretches: readonly Stretch<Word>[], fromMs: number, toMs: number, word: Word): Stretch<Word>[] {
  if (toMs <= fromMs) return [...stretches];
  const last = stretches.at(-1);
  if (last !== undefined && last.word === word && last.toMs === fromMs) {
    return [...stretches.slice(0, -1), { ...last, toMs }];
  }
  return [...stretches, { fromMs, toMs, word }];
}

function readyAfter(stretches: readonly Stretch<AgentWord>[], fromMs: number): number {
  return stretches
    .filter((stretch) => stretch.word !== 'silent')
    .reduce((sum, stretch) => sum + Math.max(0, stretch.toMs - Math.max(stretch.fromMs, fromMs)), 0);
}

function countFree(meter: MeterState, reason: keyof MeterState['freeMs'], ms: number): MeterState {
  return ms <= 0 ? meter : { ...meter, freeMs: { ...meter.freeMs, [reason]: meter.freeMs[reason] + ms } };
}

function podKey(sighting: AgentSighting): string {
  return `${sighting.podInstance} ${sighting.bootId}`;
}
