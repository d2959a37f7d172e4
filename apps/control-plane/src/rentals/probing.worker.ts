/** Watches pods: often until the first key exchange gets through, then each minute. The list of rentals is the truth, calls only hurry it. */
import { MAX_WITNESS_GAP_MS, type MarketMoment } from '@celium/domain';
import type { MarketDatabase } from '../database/market-database.ts';
import type { MarketPorts, ProbeAnswer } from '../ports.ts';
import { startWorkerLoop } from '../worker-loop.ts';
import type { ProbeWatch, RentalRow } from './parts.ts';
import { listProbed } from './rentals.store.ts';

const SCAN_INTERVAL_MS = 5_000;
/** Between probes of a running pod, and how far that is jittered either way. */
const PROBE_INTERVAL_MS = 60_000;
const PROBE_JITTER_MS = 6_000;
const RETRY_INTERVAL_MS = 5_000;
const PROBE_TIMEOUT_MS = 5_000;
/** Between tries at a pod that starts: quick at first and when its agent says that it comes up, slower while an image is fetched. */
const START_TRY_MS = 15;
const SLOW_TRY_MS = 500;
const QUICK_FOR_MS = 15_000;
const MAX_AT_ONCE = 64;

/** What a market that was down for a while knows about that. */
export interface Absence {
  /** When this run of the program began. */
  startedAt: MarketMoment;
  /** How long before that no replica had been alive, or null when this cannot be known (another boot). */
  awayMs: number | null;
}

export interface ProbingParts {
  database: MarketDatabase;
  ports: MarketPorts;
  replicaId: string;
  absence: Absence;
  /** Told of every probe that got through. */
  onProbed(rentalId: string, probe: { moment: MarketMoment; marketWasAway: boolean }): Promise<void>;
  /** Told after each try at a pod once seen that did not get through: for how long this market has now tried in vain. */
  onUnprobed(rentalId: string, forMs: number): Promise<void>;
  /** Told once when the host key is another than the grant's. */
  onMismatch(rentalId: string): Promise<void>;
}

interface Watch {
  row: RentalRow;
  stop: AbortController;
  /** Fires to try again at once. */
  nudge: AbortController;
  quickUntilMs: number;
  mismatched: boolean;
}

export interface Probing extends ProbeWatch {
  /** One probe now, at most `timeoutMs`; null when it does not get through. */
  probeOnce(row: RentalRow, timeoutMs: number): Promise<{ moment: MarketMoment; marketWasAway: boolean } | null>;
  stop(): Promise<void>;
}

export function startProbing(parts: ProbingParts): Probing {
  const { clock, log, probe, randomness } = parts.ports;
  const watches = new Map<string, Watch>();
  const running = new Set<Promise<void>>();
  let atOnce = 0;

  const probeOnce: Probing['probeOnce'] = async (row, timeoutMs) => {
    const answer = await probePod(row, timeoutMs);
    if (answer === null || !answer.ok) return null;
    const moment = clock.moment();
    return { moment, marketWasAway: wasAway(parts.absence, row.meter.lastProbe, moment) };
  };
  const probePod = async (row: RentalRow, timeoutMs: number, signal?: AbortSignal): Promise<ProbeAnswer | null> => {
    const port = row.grant?.body.ports.find((published) => published.pod === 22)?.host;
    if (row.grant === null || port === undefined) return null;
    const target = { host: row.publicHost, port, hostKey: row.grant.body.hostKey, timeoutMs };
    return probe(signal === undefined ? target : { ...target, signal });
  };

  const tryOnce = async (watch: Watch): Promise<boolean> => {
    if (atOnce >= MAX_AT_ONCE) return false;
    atOnce += 1;
    let answer: ProbeAnswer | null;
    try {
      answer = await probePod(watch.row, PROBE_TIMEOUT_MS, watch.stop.signal);
    } finally {
      atOnce -= 1;
    }
    if (watch.stop.signal.aborted || answer === null) return false;
    if (!answer.ok) {
      if (answer.reason === 'host-key-mismatch' && !watch.mismatched) {
        watch.mismatched = true;
        await parts.onMismatch(watch.row.rentalId);
      }
      return false;
    }
    const moment = clock.moment();
    const marketWasAway = wasAway(parts.absence, watch.row.meter.lastProbe, moment);
    await parts.onProbed(watch.row.rentalId, { moment, marketWasAway });
    watch.row = { ...watch.row, meter: { ...watch.row.meter, lastProbe: moment } };
    return true;
  };

  const keepWatching = async (watch: Watch): Promise<void> => {
    let seen = watch.row.rental.state === 'running';
    // Counts from this watch's start at the earliest: the market's own absence is nobody's fault in the pod.
    let lastGoodMs = clock.moment().atMs;
    while (!watch.stop.signal.aborted) {
      let ok = false;
      try {
        ok = await tryOnce(watch);
        const nowMs = clock.moment().atMs;
        if (ok) lastGoodMs = nowMs;
        else if (seen && !watch.stop.signal.aborted) await parts.onUnprobed(watch.row.rentalId, nowMs - lastGoodMs);
      } catch (fault) {
        log.error({ err: fault, rentalId: watch.row.rentalId }, 'a probe could not be worked in; it is repeated');
      }
      seen ||= ok;
      const jitterMs = Math.round((randomness.fraction() * 2 - 1) * PROBE_JITTER_MS);
      const quick = clock.moment().atMs < watch.quickUntilMs;
      const waitMs = ok ? PROBE_INTERVAL_MS + jitterMs : seen ? RETRY_INTERVAL_MS : quick ? START_TRY_MS : SLOW_TRY_MS;
      watch.nudge = new AbortController();
      await clock.sleep(waitMs, AbortSignal.any([watch.stop.signal, watch.nudge.signal]));
    }
  };

  const watch = (row: RentalRow): void => {
    const known = watches.get(row.rentalId);
    if (known !== undefined) {
      // Told again with other ports: look there, now.
      known.row = row;
      known.nudge.abort();
      return;
    }
    const started: Watch = {
      row,
      stop: new AbortController(),
      nudge: new AbortController(),
      quickUntilMs: clock.moment().atMs + QUICK_FOR_MS,
      mismatched: false,
    };
    watches.set(row.rentalId, started);
    const work = keepWatching(started).finally(() => {
      running.delete(work);
      if (watches.get(row.rentalId) === started) watches.delete(row.rentalId);
    });
    running.add(work);
  };
  const forget = (rentalId: string): void => {
    watches.get(rentalId)?.stop.abort();
    watches.delete(rentalId);
  };
  const scan = startWorkerLoop({ name: 'probing', intervalMs: SCAN_INTERVAL_MS, clock, log }, async () => {
    const rows = await listProbed(parts.database.db, parts.replicaId, clock.now());
    const wanted = new Set(rows.map((row) => row.rentalId));
    for (const row of rows) if (!watches.has(row.rentalId)) watch(row);
    for (const [rentalId, { row }] of watches) {
      // A grant stored while this scan ran is younger than its list.
      if (!wanted.has(rentalId) && row.rental.sinceMs < clock.now() - SCAN_INTERVAL_MS) forget(rentalId);
    }
    return false;
  });

  return {
    watch,
    forget,
    hurry: (rentalId) => {
      const found = watches.get(rentalId);
      if (found === undefined) return;
      found.quickUntilMs = clock.moment().atMs + QUICK_FOR_MS;
      if (found.row.rental.state === 'starting') found.nudge.abort();
    },
    probeOnce,
    stop: async () => {
      for (const rentalId of watches.keys()) forget(rentalId);
      await scan.stop();
      for (const rentalId of watches.keys()) forget(rentalId);
      await Promise.all(running);
    },
  };
}

/** Whether a gap between two probes would have been short enough but for the time in which no market was alive. */
function wasAway(absence: Absence, last: MarketMoment | null, now: MarketMoment): boolean {
  if (last === null || absence.awayMs === null || last.bootId !== now.bootId) return false;
  if (last.atMs >= absence.startedAt.atMs) return false;
  return now.atMs - last.atMs - absence.awayMs <= MAX_WITNESS_GAP_MS;
}
