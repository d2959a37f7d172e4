/** The life of a rental: every state answers every command, money moves once, units come back once. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decide,
  GRANT_TIMEOUT_MS,
  isUnreachable,
  probeCounts,
  reserve,
  START_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
  UNPROBED_END_MS,
  UNREACHABLE_AFTER_MS,
  UNREACHABLE_END_MS,
  type Rental,
  type RentalCommand,
  type RentalEffect,
} from './rental.ts';

fc.configureGlobal({ numRuns: 1_000 });

const T0 = 1_000_000;

/** Every command there is, each reason included. */
const COMMANDS: readonly RentalCommand[] = [
  { type: 'checked', verdict: 'pass' },
  { type: 'checked', verdict: 'fail' },
  { type: 'checked', verdict: 'none' },
  { type: 'grant' },
  { type: 'refusal' },
  { type: 'agent-ready' },
  { type: 'probe-ready' },
  { type: 'agent-seen' },
  { type: 'pod-gone', reason: 'start-failed' },
  { type: 'pod-gone', reason: 'pod-died' },
  { type: 'pod-gone', reason: 'provider-ended' },
  { type: 'pod-gone', reason: 'stopped' },
  { type: 'stop', reason: 'renter-stopped' },
  { type: 'stop', reason: 'balance-exhausted' },
  { type: 'stop', reason: 'operator-stopped' },
  { type: 'unprobed', forMs: UNPROBED_END_MS },
  { type: 'unprobed', forMs: UNPROBED_END_MS + 1 },
  { type: 'tick' },
];

/** How long the units of these rentals may be checked. */
const CHECK_MS = 90_000;

type Step = [command: RentalCommand, afterMs?: number];

interface Life {
  rental: Rental;
  effects: RentalEffect['type'][];
  nowMs: number;
}

/** Runs commands one after another, each `afterMs` after the one before. */
function run(...steps: Step[]): Life {
  return live(reserve(T0), steps);
}

/** The same for a rental whose units are checked first. */
function runChecked(...steps: Step[]): Life {
  return live(reserve(T0, T0 + CHECK_MS), steps);
}

function live(begun: ReturnType<typeof reserve>, steps: readonly Step[]): Life {
  let { rental } = begun;
  let nowMs = T0;
  const effects = begun.effects.map((effect) => effect.type);
  for (const [command, afterMs = 1_000] of steps) {
    nowMs += afterMs;
    const decision = decide(rental, command, nowMs);
    if (!decision.ok) continue;
    rental = decision.rental;
    effects.push(...decision.effects.map((effect) => effect.type));
  }
  return { rental, effects, nowMs };
}

const GRANT: Step = [{ type: 'grant' }];
const RUNNING: Step[] = [GRANT, [{ type: 'agent-ready' }], [{ type: 'probe-ready' }]];
const STOP: Step = [{ type: 'stop', reason: 'renter-stopped' }];
const GONE: Step = [{ type: 'pod-gone', reason: 'stopped' }];

/** Lives of rentals: most get some way before anything may happen, and time goes by in small steps and in long ones. */
const commands: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.constantFrom<Step[]>([], [GRANT], RUNNING, RUNNING, [...RUNNING, STOP], [STOP]),
    fc.array(
      fc.tuple(
        fc.constantFrom(...COMMANDS),
        fc.oneof(
          { weight: 6, arbitrary: fc.constantFrom(0, 10, 1_000) },
          {
            weight: 1,
            arbitrary: fc.constantFrom(
              GRANT_TIMEOUT_MS + 1,
              STOP_TIMEOUT_MS + 1,
              START_TIMEOUT_MS + 1,
              UNREACHABLE_END_MS + 1,
            ),
          },
        ),
      ),
      { maxLength: 12, size: 'max' },
    ),
  )
  .map(([first, then]) => [...first, ...then]);

/** A rental that is asked for at once, and one whose units are checked first. */
const starts = fc.constantFrom(run, runChecked);

describe('over any sequence of commands', () => {
  test('every state gives a decision on every command', () => {
    fc.assert(
      fc.property(starts, commands, fc.constantFrom(...COMMANDS), (go, steps, command) => {
        const { rental, nowMs } = go(...steps);
        const decision = decide(rental, command, nowMs);
        expect(decision).toBeDefined();
        if (!decision.ok)
          expect([decision.refusal, rental.state, command.type]).toEqual(['RENTAL_ENDED', 'ended', 'stop']);
      }),
    );
  });

  test('the bill is settled and the hold released exactly once, when the rental ends', () => {
    fc.assert(
      fc.property(starts, commands, (go, steps) => {
        const { rental, effects } = go(...steps);
        const times = rental.state === 'ended' ? 1 : 0;
        expect(effects.filter((effect) => effect === 'settle')).toHaveLength(times);
        expect(effects.filter((effect) => effect === 'release-hold')).toHaveLength(times);
      }),
    );
  });

  test('a stopped rental is never charged again: after the end no command moves money or changes why it ended', () => {
    fc.assert(
      fc.property(starts, commands, commands, (go, steps, later) => {
        const ended = go(...steps, STOP, [{ type: 'tick' }, STOP_TIMEOUT_MS + 1]);
        expect(ended.rental.state).toBe('ended');
        let { rental } = ended;
        let nowMs = ended.nowMs;
        for (const [command, afterMs = 1_000] of later) {
          const decision = decide(rental, command, (nowMs += afterMs));
          if (!decision.ok) continue;
          const money = decision.effects.filter(({ type }) => type === 'settle' || type === 'release-hold');
          expect(money).toEqual([]);
          rental = decision.rental;
          expect(rental).toMatchObject({
            state: 'ended',
            endReason: ended.rental.endReason,
            sinceMs: ended.rental.sinceMs,
          });
        }
      }),
    );
  });

  test('units are released exactly once, and only after the machine was let go or never bound', () => {
    fc.assert(
      fc.property(starts, commands, (go, steps) => {
        const { rental, effects } = go(...steps);
        expect(effects.filter((effect) => effect === 'release-units')).toHaveLength(rental.unitsReleased ? 1 : 0);
        if (rental.unitsReleased) expect(rental.state).toBe('ended');
      }),
    );
  });

  test('the machine is asked for a lease once at the most, and not before a check of its units is over without a failure', () => {
    fc.assert(
      fc.property(starts, commands, (go, steps) => {
        const { rental, effects } = go(...steps);
        const asked = effects.filter((effect) => effect === 'request-lease').length;
        const mayAsk = rental.check === null || rental.check.verdict === 'pass' || rental.check.verdict === 'none';
        expect(asked).toBe(mayAsk ? 1 : 0);
        if (!mayAsk) expect(['reserved', 'ended']).toContain(rental.state);
      }),
    );
  });

  test('it always comes to an end: a stop and a minute are enough', () => {
    fc.assert(
      fc.property(starts, commands, (go, steps) => {
        expect(go(...steps, STOP, [{ type: 'tick' }, STOP_TIMEOUT_MS + 1]).rental.state).toBe('ended');
      }),
    );
  });

  test('states only go forward, and each change has its moment', () => {
    const order = ['reserved', 'starting', 'running', 'stopping', 'ended'];
    fc.assert(
      fc.property(starts, commands, (go, steps) => {
        let { rental } = go();
        let nowMs = T0;
        for (const [command, afterMs = 1_000] of steps) {
          const decision = decide(rental, command, (nowMs += afterMs));
          if (!decision.ok) continue;
          const next = decision.rental;
          expect(order.indexOf(next.state)).toBeGreaterThanOrEqual(order.indexOf(rental.state));
          if (next.state !== rental.state) expect(next.sinceMs).toBe(nowMs);
          expect(next.endReason === null).toBe(!['stopping', 'ended'].includes(next.state));
          rental = next;
        }
      }),
    );
  });

  test('the same command twice is as good as once', () => {
    fc.assert(
      fc.property(starts, commands, fc.constantFrom(...COMMANDS), (go, steps, command) => {
        const { rental, nowMs } = go(...steps);
        const once = decide(rental, command, nowMs);
        if (!once.ok) return;
        const twice = decide(once.rental, command, nowMs);
        if (twice.ok) expect(twice).toEqual({ ok: true, rental: once.rental, effects: [] });
      }),
    );
  });
});

describe('a rental', () => {
  test('runs once agent and market have both seen the pod, whichever came first', () => {
    expect(run(GRANT, [{ type: 'agent-ready' }]).rental.state).toBe('starting');
    expect(run(GRANT, [{ type: 'probe-ready' }]).rental.state).toBe('starting');
    expect(run(...RUNNING).rental).toMatchObject({ state: 'running', readyAtMs: T0 + 3_000 });
    expect(run(GRANT, [{ type: 'probe-ready' }], [{ type: 'agent-ready' }]).rental.state).toBe('running');
    expect(run([{ type: 'agent-ready' }], [{ type: 'probe-ready' }], GRANT).rental.state).toBe('running');
  });

  test('ends when the agent refuses, and the renter has the money and the market the units back', () => {
    const { rental, effects } = run([{ type: 'refusal' }]);
    expect(rental).toMatchObject({ state: 'ended', endReason: 'agent-refused', unitsReleased: true });
    expect(effects).toEqual(['request-lease', 'settle', 'release-hold', 'release-units']);
  });

  test('ends when the agent does not answer; its late grant is stopped at the machine, and nothing is charged', () => {
    const silent = run([{ type: 'tick' }, GRANT_TIMEOUT_MS + 1]);
    expect(silent.rental).toMatchObject({ state: 'ended', endReason: 'agent-silent' });
    const late = decide(silent.rental, { type: 'grant' }, silent.nowMs + 1);
    expect(late).toMatchObject({
      ok: true,
      rental: { state: 'ended', granted: true },
      effects: [{ type: 'stop-lease' }],
    });
  });

  test('that was stopped before the grant came is stopped at the machine when it does come', () => {
    const { rental, effects } = run(STOP, GRANT, GONE);
    expect(effects).toEqual(['request-lease', 'stop-lease', 'settle', 'release-hold', 'release-units']);
    expect(rental).toMatchObject({ state: 'ended', endReason: 'renter-stopped' });
  });

  test('whose stop stays unanswered ends for the renter; the units stay bound until the agent says that the pod is gone', () => {
    const unanswered = run(...RUNNING, STOP, [{ type: 'tick' }, STOP_TIMEOUT_MS + 1]);
    expect(unanswered.rental).toMatchObject({ state: 'ended', unitsReleased: false });
    const answered = run(...RUNNING, STOP, [{ type: 'tick' }, STOP_TIMEOUT_MS + 1], GONE);
    expect(answered.effects.at(-1)).toBe('release-units');
    expect(answered.rental.unitsReleased).toBe(true);
  });

  test('is unreachable after five silent minutes and keeps running; after a day it is stopped', () => {
    const { rental, nowMs } = run(...RUNNING, [{ type: 'agent-seen' }]);
    expect(isUnreachable(rental, nowMs + UNREACHABLE_AFTER_MS)).toBe(false);
    expect(isUnreachable(rental, nowMs + UNREACHABLE_AFTER_MS + 1)).toBe(true);
    expect(decide(rental, { type: 'tick' }, nowMs + UNREACHABLE_END_MS)).toMatchObject({
      rental: { state: 'running' },
    });
    expect(decide(rental, { type: 'tick' }, nowMs + UNREACHABLE_END_MS + 1)).toMatchObject({
      rental: { state: 'stopping', endReason: 'unreachable-too-long' },
      effects: [{ type: 'stop-lease' }],
    });
  });

  test('whose pod no probe reaches for a quarter of an hour is stopped, if its agent is heard', () => {
    const { rental, nowMs } = run(...RUNNING, [{ type: 'agent-seen' }]);
    const unprobed = { type: 'unprobed', forMs: UNPROBED_END_MS + 1 } as const;
    expect(decide(rental, unprobed, nowMs)).toMatchObject({
      rental: { state: 'stopping', endReason: 'unreachable-too-long' },
      effects: [{ type: 'stop-lease' }],
    });
    expect(decide(rental, { type: 'unprobed', forMs: UNPROBED_END_MS }, nowMs)).toEqual({
      ok: true,
      rental,
      effects: [],
    });
    expect(decide(rental, unprobed, nowMs + UNREACHABLE_AFTER_MS + 1)).toEqual({ ok: true, rental, effects: [] });
  });

  test('that does not become ready within half an hour is stopped', () => {
    expect(run(GRANT, [{ type: 'tick' }, START_TIMEOUT_MS + 1]).rental).toMatchObject({
      state: 'stopping',
      endReason: 'start-timeout',
    });
  });

  test('whose units are checked first asks the machine when the check has passed, and counts its silence from there', () => {
    const { rental, effects, nowMs } = runChecked([{ type: 'checked', verdict: 'pass' }, 60_000]);
    expect(effects).toEqual(['request-lease']);
    expect(rental).toMatchObject({ state: 'reserved', check: { untilMs: T0 + CHECK_MS, verdict: 'pass' } });
    expect(decide(rental, { type: 'tick' }, nowMs + GRANT_TIMEOUT_MS)).toMatchObject({ rental: { state: 'reserved' } });
    expect(decide(rental, { type: 'tick' }, nowMs + GRANT_TIMEOUT_MS + 1)).toMatchObject({
      rental: { state: 'ended', endReason: 'agent-silent' },
    });
  });

  test('whose units fail the check ends at once, and the renter has the money and the market the units back', () => {
    const { rental, effects } = runChecked([{ type: 'checked', verdict: 'fail' }]);
    expect(rental).toMatchObject({ state: 'ended', endReason: 'check-failed', granted: false, unitsReleased: true });
    expect(rental.check?.verdict).toBe('fail');
    expect(effects).toEqual(['settle', 'release-hold', 'release-units']);
  });

  test('whose units nobody has checked in time asks the machine all the same, and says so', () => {
    expect(runChecked([{ type: 'tick' }, CHECK_MS]).effects).toEqual([]);
    const waited = runChecked([{ type: 'tick' }, CHECK_MS + 1]);
    expect(waited.effects).toEqual(['request-lease']);
    expect(waited.rental.check?.verdict).toBe('none');
    const late = decide(waited.rental, { type: 'checked', verdict: 'fail' }, waited.nowMs);
    expect(late).toEqual({ ok: true, rental: waited.rental, effects: [] });
  });

  test('that is stopped while its units are checked ends at once: nobody has to be waited for', () => {
    const { rental, effects } = runChecked(STOP);
    expect(rental).toMatchObject({ state: 'ended', endReason: 'renter-stopped', unitsReleased: true });
    expect(effects).toEqual(['settle', 'release-hold', 'release-units']);
  });

  test('says why it ended: the first reason stays', () => {
    expect(run(...RUNNING, [{ type: 'pod-gone', reason: 'pod-died' }]).rental.endReason).toBe('pod-died');
    expect(run(...RUNNING, GONE).rental.endReason).toBe('provider-ended');
    expect(run(...RUNNING, STOP, [{ type: 'pod-gone', reason: 'pod-died' }]).rental.endReason).toBe('renter-stopped');
    expect(run(...RUNNING, STOP, [{ type: 'stop', reason: 'operator-stopped' }]).rental.endReason).toBe(
      'renter-stopped',
    );
  });

  test('that has ended refuses a stop', () => {
    const { rental, nowMs } = run([{ type: 'refusal' }]);
    expect(decide(rental, { type: 'stop', reason: 'renter-stopped' }, nowMs)).toEqual({
      ok: false,
      refusal: 'RENTAL_ENDED',
    });
  });
});

/** Each situation in which a rental can be, and the ways to get there. */
const SITUATIONS: ReadonlyArray<readonly [name: string, steps: readonly Step[], go?: typeof run]> = [
  ['checked first', [], runChecked],
  ['checked first, for too long', [[{ type: 'agent-seen' }, CHECK_MS]], runChecked],
  ['reserved, checked', [[{ type: 'checked', verdict: 'pass' }]], runChecked],
  ['ended, check failed', [[{ type: 'checked', verdict: 'fail' }]], runChecked],
  ['reserved', []],
  ['reserved, agent silent', [[{ type: 'agent-seen' }, GRANT_TIMEOUT_MS]]],
  ['starting', [GRANT]],
  ['starting, agent ready', [GRANT, [{ type: 'agent-ready' }]]],
  ['starting, probe ready', [GRANT, [{ type: 'probe-ready' }]]],
  ['starting, too long', [GRANT, [{ type: 'agent-seen' }, START_TIMEOUT_MS]]],
  ['running', RUNNING],
  ['running, silent for a day', [...RUNNING, [{ type: 'probe-ready' }, UNREACHABLE_END_MS]]],
  ['stopping', [...RUNNING, STOP]],
  ['stopping, unanswered', [...RUNNING, STOP, [{ type: 'agent-seen' }, STOP_TIMEOUT_MS]]],
  ['stopping, not granted', [STOP]],
  ['stopping, not granted, silent', [STOP, [{ type: 'agent-seen' }, GRANT_TIMEOUT_MS]]],
  ['ended', [...RUNNING, STOP, GONE]],
  ['ended, units still bound', [...RUNNING, STOP, [{ type: 'tick' }, STOP_TIMEOUT_MS + 1]]],
  ['ended, never granted', [[{ type: 'refusal' }]]],
];

function saidBy(command: RentalCommand): string {
  if ('verdict' in command) return `${command.type} (${command.verdict})`;
  if ('reason' in command) return `${command.type} (${command.reason})`;
  return 'forMs' in command
    ? `${command.type} (${command.forMs > UNPROBED_END_MS ? 'too long' : 'a while'})`
    : command.type;
}

test('the transition table is the one that people read', async () => {
  const lines = SITUATIONS.flatMap(([name, steps, go = run]) => {
    const { rental, nowMs } = go(...steps);
    return COMMANDS.map((command) => {
      const said = saidBy(command);
      const decision = decide(rental, command, nowMs + 1_000);
      const next = decision.ok
        ? `${decision.rental.state}${decision.rental.endReason === null ? '' : ` (${decision.rental.endReason})`}`
        : `refused: ${decision.refusal}`;
      const effects = decision.ok ? decision.effects.map(({ type }) => type).join(', ') : '';
      return `${name.padEnd(30)} ${said.padEnd(32)} ${next.padEnd(32)} ${effects}`.trimEnd();
    }).concat('');
  });
  const head = `${'situation'.padEnd(30)} ${'command'.padEnd(32)} ${'next state (why)'.padEnd(32)} effects\n\n`;
  await expect(head + lines.join('\n')).toMatchFileSnapshot('./golden/transitions.txt');
});

test('a probe counts until the stop is asked for, and never after it', () => {
  let { rental } = reserve(0);
  const step = (command: RentalCommand): void => {
    const decision = decide(rental, command, 1_000);
    if (!decision.ok) throw new Error(decision.refusal);
    rental = decision.rental;
  };
  for (const type of ['grant', 'agent-ready', 'probe-ready'] as const) {
    expect(probeCounts(rental)).toBe(true);
    step({ type });
  }
  expect(rental.state).toBe('running');
  expect(probeCounts(rental)).toBe(true);
  step({ type: 'stop', reason: 'renter-stopped' });
  expect(probeCounts(rental)).toBe(false);
  step({ type: 'pod-gone', reason: 'stopped' });
  expect(probeCounts(rental)).toBe(false);
});
