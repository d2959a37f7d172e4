/** The two-witness meter: never more than either witness saw, and within a second of the truth. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  EMPTY_METER,
  MAX_OWED_ABSENCE_MS,
  MAX_WITNESS_GAP_MS,
  seenByAgent,
  seenByMarket,
  type AgentSighting,
  type MeterState,
} from './meter.ts';

const S = 1_000;

/** One event: a heartbeat (`at`, what it says) or a probe. Times in milliseconds of the market's clock. */
type Event =
  | { by: 'agent'; at: number; ready: number; pod?: string; boot?: string; marketBoot?: string }
  | { by: 'market'; at: number; away?: boolean; marketBoot?: string };

function take(meter: MeterState, event: Event): MeterState {
  const moment = { bootId: event.marketBoot ?? 'market-1', atMs: event.at };
  if (event.by === 'market') return seenByMarket(meter, moment, event.away ?? false);
  const sighting: AgentSighting = {
    podInstance: event.pod ?? 'pod-1',
    bootId: event.boot ?? 'boot-1',
    cumulativeMs: event.ready,
    received: moment,
  };
  return seenByAgent(meter, sighting);
}

const meterOf = (events: readonly Event[]): MeterState => events.reduce(take, EMPTY_METER);
const agent = (at: number, ready: number, more: Partial<Event & { by: 'agent' }> = {}): Event => ({
  ...more,
  by: 'agent',
  at,
  ready,
});
const market = (at: number, more: Partial<Event & { by: 'market' }> = {}): Event => ({ ...more, by: 'market', at });
/** Heartbeats every ten seconds from one moment to another, of a pod that was ready at `readyAt`. */
const beats = (fromS: number, toS: number, readyAtS = 0, more: Partial<Event & { by: 'agent' }> = {}): Event[] =>
  Array.from({ length: (toS - fromS) / 10 + 1 }, (_, index) => {
    const at = (fromS + index * 10) * S;
    return agent(at, at - readyAtS * S, more);
  });
const probes = (fromS: number, toS: number): Event[] =>
  Array.from({ length: (toS - fromS) / 60 + 1 }, (_, index) => market((fromS + index * 60) * S));
const inOrder = (...events: Event[][]): Event[] => events.flat().sort((a, b) => a.at - b.at);
const freeOf = (meter: MeterState): number => Object.values(meter.freeMs).reduce((sum, ms) => sum + ms, 0);

describe('a second is billable', () => {
  test('when both witnesses cover it', () => {
    const meter = meterOf(inOrder(beats(0, 600), probes(0, 600)));
    expect(meter).toMatchObject({ billableMs: 600 * S, freeMs: { agentSilent: 0, unreachable: 0, marketAway: 0 } });
  });

  test('not by the word of one alone', () => {
    expect(meterOf(beats(0, 600)).billableMs).toBe(0);
    expect(meterOf(probes(0, 600)).billableMs).toBe(0);
  });

  test('not before both have begun: boot is free', () => {
    expect(meterOf(inOrder(beats(0, 300), probes(120, 300))).billableMs).toBe(180 * S);
    expect(meterOf(inOrder(beats(120, 300, 120), probes(0, 300))).billableMs).toBe(180 * S);
  });

  test('not after the last probe, however long the agent goes on', () => {
    expect(meterOf(inOrder(beats(0, 3_000), probes(0, 120))).billableMs).toBe(120 * S);
  });

  test('not after the last heartbeat, however long the market goes on', () => {
    expect(meterOf(inOrder(beats(0, 100), probes(0, 3_000))).billableMs).toBe(100 * S);
  });

  test('only from the moment at which the pod became ready, though the agent spoke of it before', () => {
    const starting = beats(0, 40).map((event) => ({ ...event, ready: 0 }));
    expect(meterOf(inOrder(starting, beats(50, 300, 45), probes(0, 300)))).toMatchObject({
      billableMs: 255 * S,
      freeMs: { agentSilent: 0 },
    });
  });

  test('from the moment at which the pod became ready, though the first heartbeats were lost', () => {
    expect(meterOf(inOrder(beats(40, 300), probes(0, 300))).billableMs).toBe(300 * S);
  });
});

describe('a gap of more than 120 s is free', () => {
  const gap = MAX_WITNESS_GAP_MS / S;

  test('when the agent was silent', () => {
    const meter = meterOf(inOrder(beats(0, 60), beats(60 + gap + 10, 400), probes(0, 360), [market(400 * S)]));
    expect(meter).toMatchObject({
      billableMs: (400 - gap - 10) * S,
      freeMs: { agentSilent: (gap + 10) * S, unreachable: 0 },
    });
  });

  test('when the probes did not get through', () => {
    const meter = meterOf(
      inOrder(
        beats(0, 420),
        [0, 60, 60 + gap + 1, 300, 420].map((at) => market(at * S)),
      ),
    );
    expect(meter).toMatchObject({
      billableMs: (420 - gap - 1) * S,
      freeMs: { unreachable: (gap + 1) * S, agentSilent: 0 },
    });
  });

  test('and exactly 120 s are not', () => {
    const silent = meterOf(inOrder(beats(0, 60), beats(60 + gap, 360), probes(0, 360)));
    expect(silent.billableMs).toBe(360 * S);
    expect(
      meterOf(
        inOrder(
          beats(0, 360),
          [0, gap, 2 * gap, 3 * gap].map((at) => market(at * S)),
        ),
      ).billableMs,
    ).toBe(360 * S);
  });

  test('of the market’s own is its debt to the provider, and shows once though both witnesses are missing', () => {
    const events = inOrder(beats(0, 60), [agent(600 * S, 600 * S)], beats(610, 720), [
      market(0),
      market(60 * S),
      market(601 * S, { away: true }),
      market(661 * S),
      market(720 * S),
    ]);
    expect(meterOf(events)).toMatchObject({
      billableMs: (60 + 119) * S,
      freeMs: { marketAway: 541 * S, agentSilent: 0, unreachable: 0 },
    });
  });

  test('during which the pod was not ready is no debt of the market', () => {
    const events = inOrder(
      beats(0, 60),
      [agent(600 * S, 100 * S)],
      [market(0), market(60 * S), market(600 * S, { away: true })],
    );
    expect(meterOf(events)).toMatchObject({ billableMs: 60 * S, freeMs: { marketAway: 40 * S, agentSilent: 500 * S } });
  });
});

describe('messages that are lost, doubled, late or out of order', () => {
  const ideal = inOrder(beats(0, 600), probes(0, 600));

  test('change nothing when they are doubled', () => {
    expect(meterOf(ideal.flatMap((event) => [event, event])).billableMs).toBe(600 * S);
  });

  test('change nothing when heartbeats between two others are lost', () => {
    const sparse = ideal.filter((event) => event.by === 'market' || event.at % (100 * S) === 0);
    expect(meterOf(sparse).billableMs).toBe(600 * S);
  });

  test('change nothing when an older heartbeat arrives after a newer one, over another socket', () => {
    const late = ideal.flatMap((event) =>
      event.by === 'agent' && event.at > 30 * S ? [event, agent(event.at + 500, event.ready - 20 * S)] : [event],
    );
    expect(meterOf(inOrder(late)).billableMs).toBe(600 * S);
  });

  test('change nothing when a word about the pod before comes after the pod was replaced', () => {
    const before = inOrder(beats(0, 100), probes(0, 60));
    const after = inOrder(beats(110, 300, 110, { pod: 'pod-2' }), probes(120, 300));
    const clean = meterOf([...before, ...after]).billableMs;
    const stray = after.flatMap((event) => [event, agent(event.at + 1, 101 * S)]);
    expect(clean).toBe((100 + 190) * S);
    expect(meterOf([...before, ...stray]).billableMs).toBe(clean);
  });

  test('cost the provider nothing when each is late by up to eight seconds', () => {
    const delays = [0, 8, 1, 7, 3, 0, 6, 8, 2, 5];
    const jittered = ideal.map((event) =>
      event.by === 'market' || event.at === 600 * S
        ? event
        : { ...event, at: event.at + (delays[(event.at / (10 * S)) % 10] as number) * S },
    );
    expect(meterOf(inOrder(jittered)).billableMs).toBe(600 * S);
  });

  test('cost nothing when only the first of them was late: the beginning is found again', () => {
    const events = inOrder(
      beats(0, 600).map((event) => (event.at === 0 ? { ...event, at: 8 * S } : event)),
      probes(0, 600),
    );
    expect(meterOf(events).billableMs).toBe(600 * S);
  });
});

describe('restarts', () => {
  test('of the pod leave the time in between unbilled and count on', () => {
    const events = inOrder(beats(0, 100), beats(150, 300, 150, { pod: 'pod-2' }), probes(0, 300));
    expect(meterOf(events)).toMatchObject({ billableMs: 250 * S, freeMs: { agentSilent: 50 * S } });
  });

  test('of the machine do too', () => {
    const events = inOrder(beats(0, 100), beats(150, 300, 150, { boot: 'boot-2' }), probes(0, 300));
    expect(meterOf(events)).toMatchObject({ billableMs: 250 * S, freeMs: { agentSilent: 50 * S } });
  });

  test('of the machine are not billed, though the agent counts on from where it was', () => {
    const events = inOrder(beats(0, 100), [agent(160 * S, 95 * S, { boot: 'boot-2' })], probes(0, 240));
    expect(meterOf(events).billableMs).toBe(100 * S);
  });

  test('of the market’s host never mix two clocks: what is unwitnessed is free, and owed to the provider', () => {
    const second = { marketBoot: 'market-2' };
    const meter = meterOf([
      ...inOrder(beats(0, 100), probes(0, 60)),
      agent(5 * S, 300 * S, second),
      market(6 * S, second),
      agent(15 * S, 310 * S, second),
      agent(25 * S, 320 * S, second),
      market(26 * S, second),
    ]);
    expect(meter).toMatchObject({ billableMs: (60 + 19) * S, freeMs: { marketAway: (40 + 200) * S } });
  });

  test('are not what two hosts of one market look like: their clocks cannot be compared, but nobody was away', () => {
    const owedOnce = meterOf([agent(1, 1), agent(2, 10 * S, { marketBoot: 'market-2' })]).freeMs.marketAway;
    const flapping = Array.from({ length: 100 }, (_, index) =>
      agent(index * 10 * S, (index + 1) * 10 * S, { marketBoot: `market-${1 + (index % 2)}` }),
    );
    expect(owedOnce).toBeGreaterThan(0);
    expect(meterOf(flapping)).toMatchObject({ billableMs: 0, freeMs: { marketAway: 10 * S } });
  });

  test('of the market’s host do not let an agent claim more than a day', () => {
    const meter = meterOf([...inOrder(beats(0, 60), probes(0, 60)), agent(1, 10 ** 14, { marketBoot: 'market-2' })]);
    expect(meter.freeMs.marketAway).toBe(MAX_OWED_ABSENCE_MS);
  });
});

test('a pod that says that it was not ready for a while is not billed for it', () => {
  const pause = 50;
  const events = inOrder(beats(0, 100), beats(160, 900, pause), probes(0, 900));
  expect(meterOf(events)).toMatchObject({ billableMs: (900 - pause) * S });
});

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    by: fc.constant('agent' as const),
    at: fc.nat(2_000 * S),
    ready: fc.oneof(fc.nat(2_000 * S), fc.nat(10 ** 12)),
    pod: fc.constantFrom('pod-1', 'pod-1', 'pod-1', 'pod-1', 'pod-2', 'pod-3'),
    boot: fc.constantFrom('boot-1', 'boot-1', 'boot-1', 'boot-2'),
    marketBoot: fc.oneof(
      { weight: 40, arbitrary: fc.constant('market-1') },
      { weight: 1, arbitrary: fc.constant('market-2') },
    ),
  }),
  fc.record({
    by: fc.constant('market' as const),
    at: fc.nat(2_000 * S),
    away: fc.boolean(),
    marketBoot: fc.oneof(
      { weight: 40, arbitrary: fc.constant('market-1') },
      { weight: 1, arbitrary: fc.constant('market-2') },
    ),
  }),
);

/** Events as they may really come: the market's clock moves forward, mostly in steps that a witness would allow. */
const anyRun = fc
  .tuple(
    fc.array(anyEvent, { minLength: 5, maxLength: 80, size: 'max' }),
    fc.array(fc.constantFrom(0, 1, 700, 10 * S, 10 * S, 10 * S, 25 * S, 60 * S, 119 * S, 130 * S), {
      minLength: 80,
      maxLength: 80,
    }),
  )
  .map(([events, waits]) => {
    let at = 0;
    let boot = 0;
    return events.map((event, index): Event => {
      const plausible = index % 3 !== 0;
      if (event.marketBoot === 'market-2') {
        boot += 1;
        at = 0;
      }
      at += waits[index] as number;
      const stamped = { ...event, at, marketBoot: `market-${boot}` };
      // Two of three heartbeats are of the kind that an honest agent sends, late by up to ten seconds.
      return stamped.by === 'agent' && plausible
        ? { ...stamped, ready: Math.max(0, at - (stamped.ready % (10 * S))) }
        : stamped;
    });
  });

/** The most that the market can have seen: each pair of probes at most 120 s apart, per boot. */
function marketSawMs(events: readonly Event[]): number {
  let sum = 0;
  let last: Event | null = null;
  let boot: string | undefined;
  for (const event of events) {
    if (event.marketBoot !== boot) {
      boot = event.marketBoot;
      last = null;
    }
    if (event.by !== 'market') continue;
    if (last !== null && event.at - last.at <= MAX_WITNESS_GAP_MS) sum += event.at - last.at;
    last = event;
  }
  return sum;
}

/** The most that the agent can have said: the largest number per pod and boot. */
function agentSaidMs(events: readonly Event[]): number {
  const most = new Map<string, number>();
  for (const event of events) {
    if (event.by !== 'agent') continue;
    const key = `${event.pod} ${event.boot}`;
    most.set(key, Math.max(most.get(key) ?? 0, event.ready));
  }
  return [...most.values()].reduce((sum, ms) => sum + ms, 0);
}

describe('whatever two witnesses say', () => {
  test('never more is billed than either of them saw', () => {
    fc.assert(
      fc.property(anyRun, (events) => {
        const { billableMs } = meterOf(events);
        expect(billableMs).toBeLessThanOrEqual(marketSawMs(events));
        expect(billableMs).toBeLessThanOrEqual(agentSaidMs(events));
      }),
      { numRuns: 3_000 },
    );
  });

  test('the meter only grows, in whole milliseconds, and stays small', () => {
    fc.assert(
      fc.property(anyRun, (events) => {
        let meter = EMPTY_METER;
        for (const event of events) {
          const next = take(meter, event);
          expect(next.billableMs).toBeGreaterThanOrEqual(meter.billableMs);
          expect(freeOf(next)).toBeGreaterThanOrEqual(freeOf(meter));
          expect(Number.isInteger(next.billableMs) && Number.isInteger(freeOf(next))).toBe(true);
          expect(next.agentStretches.length).toBeLessThanOrEqual(64);
          expect(next.marketStretches.length).toBeLessThanOrEqual(64);
          expect(next.replacedPods.length).toBeLessThanOrEqual(8);
          expect(next.formerBootIds.length).toBeLessThanOrEqual(8);
          meter = next;
        }
        expect(JSON.parse(JSON.stringify(meter))).toEqual(meter);
      }),
      { numRuns: 1_000 },
    );
  });

  test('a moment counts once: on one clock, billable and free time together are no longer than the rental', () => {
    fc.assert(
      fc.property(anyRun, (events) => {
        const oneClock = events.filter((event) => event.marketBoot === 'market-0');
        const meter = meterOf(oneClock);
        const span = Math.max(0, ...oneClock.map((event) => event.at));
        expect(meter.billableMs + freeOf(meter)).toBeLessThanOrEqual(span);
      }),
      { numRuns: 1_000 },
    );
  });

  test('doubling any message changes nothing', () => {
    fc.assert(
      fc.property(anyRun, (events) => {
        const twice = events.flatMap((event) => [event, event]);
        expect(meterOf(twice)).toEqual(meterOf(events));
      }),
    );
  });
});

/** A rental with a clock that knows the truth: the pod is ready for `readyS` seconds; what is sent, and what becomes of it. */
const groundTruth = fc
  .record({
    readyMs: fc.integer({ min: 30 * S, max: 3_600 * S }),
    bootMs: fc.integer({ min: 0, max: 60 * S }),
    beatPhaseMs: fc.integer({ min: 0, max: 10 * S - 1 }),
    delaysMs: fc.array(fc.nat(8 * S), { minLength: 400, maxLength: 400 }),
    lost: fc.array(fc.nat(99), { minLength: 400, maxLength: 400 }),
    doubled: fc.array(fc.nat(99), { minLength: 400, maxLength: 400 }),
    driftPpm: fc.integer({ min: -200, max: 200 }),
  })
  .map((given) => ({ ...given, endMs: given.bootMs + given.readyMs }));

type GroundTruth = typeof groundTruth extends fc.Arbitrary<infer T> ? T : never;

/** What arrives at the market: first and final word at once, heartbeats with delays, losses and doubles; probes with a final one. */
function arrivals(truth: GroundTruth, network: { delayed: boolean }): Event[] {
  const says = (atMs: number): number => Math.floor((atMs - truth.bootMs) * (1 + truth.driftPpm / 1e6));
  // The last word comes when the pod's end is known, a little after it.
  const sent: Event[] = [agent(0, 0), agent(truth.bootMs, 0), agent(truth.endMs + 700, says(truth.endMs))];
  let index = 0;
  let inARow = 0;
  for (let at = truth.bootMs + truth.beatPhaseMs; at < truth.endMs; at += 10 * S, index += 1) {
    // Ten heartbeats lost in a row are an outage, which is another matter.
    inARow = (truth.lost[index] as number) < 15 ? inARow + 1 : 0;
    if (inARow > 0 && inARow < 10) continue;
    inARow = 0;
    const delayMs = network.delayed ? (truth.delaysMs[index] as number) : 0;
    sent.push(agent(at + delayMs, says(at)));
    if ((truth.doubled[index] as number) < 10)
      sent.push(agent(at + delayMs + (truth.delaysMs[index + 1] as number), says(at)));
  }
  const seen: Event[] = [];
  for (let at = truth.bootMs; at < truth.endMs; at += 60 * S) seen.push(market(at));
  return inOrder(sent, seen, [market(truth.endMs)]);
}

describe('beside a clock that knows the truth', () => {
  const driftMs = (truth: GroundTruth): number => (truth.readyMs * 200) / 1e6;

  test('the bill is within a second, 15 % of heartbeats lost and 10 % doubled', () => {
    fc.assert(
      fc.property(groundTruth, (truth) => {
        const { billableMs } = meterOf(arrivals(truth, { delayed: false }));
        expect(billableMs).toBeLessThanOrEqual(truth.readyMs);
        expect(truth.readyMs - billableMs).toBeLessThanOrEqual(S);
      }),
      { numRuns: 500 },
    );
  });

  test('the bill is within a second, heartbeats up to eight seconds late and out of order too', () => {
    fc.assert(
      fc.property(groundTruth, (truth) => {
        const { billableMs } = meterOf(arrivals(truth, { delayed: true }));
        expect(billableMs).toBeLessThanOrEqual(truth.readyMs);
        expect(truth.readyMs - billableMs).toBeLessThanOrEqual(S + driftMs(truth));
      }),
      { numRuns: 500 },
    );
  });
});
