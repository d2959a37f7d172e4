/** The attack suite itself: it fails when a detection breaks, counts every try once, and names what it did not run. */
import { expect, test } from 'vitest';
import { keepsTarget } from '../../tools/figures.ts';
import { addTallies, composeRow, emptyTally, type RowHead, type Tally } from './family.ts';
import { FAMILIES } from './registry.ts';
import { composeReport } from './report.ts';
import { openThreads } from './threads.ts';

const HEAD: RowHead = {
  family: 'skipped-work',
  attack: 'skips',
  run: 'content',
  target: { of: 'rate', atLeast: 0.999 },
  honestTarget: { atMost: 0 },
  simulated: false,
  note: '',
};
const ABOUT = { mode: 'full', date: '2026-01-01T00:00:00.000Z', wallSeconds: 1, seed: 1 } as const;

const tallyOf = (tries: number, detected: number): Tally => ({ ...emptyTally(), tries, detected, units: tries });

test('a report fails when an attack is caught too rarely, an honest machine is refused, or nothing was played', () => {
  const caught = composeRow(HEAD, tallyOf(3_000, 2_999), tallyOf(3_000, 0));
  expect(composeReport(ABOUT, [caught], []).ok).toBe(true);
  const missed = composeRow(HEAD, tallyOf(3_000, 2_990), tallyOf(3_000, 0));
  expect(composeReport(ABOUT, [missed], []).ok).toBe(false);
  const refused = composeRow(HEAD, tallyOf(3_000, 3_000), tallyOf(3_000, 1));
  expect(composeReport(ABOUT, [refused], []).ok).toBe(false);
  expect(composeReport(ABOUT, [], [{ what: 'all', why: 'no GPU' }]).ok).toBe(false);
});

test('a target on the lower bound asks for more tries than one on the rate', () => {
  const strict = composeRow(
    { ...HEAD, target: { of: 'wilsonLow', atLeast: 0.999 } },
    tallyOf(3_000, 3_000),
    tallyOf(1, 0),
  );
  const figure = Object.values(composeReport(ABOUT, [strict], []).figures)[0]!;
  expect(keepsTarget(figure)).toBe(false);
});

test('tallies add up, reasons too', () => {
  const one = { ...tallyOf(2, 1), reasons: { late: 1, none: 1 } };
  const two = { ...tallyOf(3, 3), reasons: { late: 3 } };
  expect(addTallies(one, two)).toMatchObject({ tries: 5, detected: 4, reasons: { late: 4, none: 1 } });
});

test('every family of the registry plays under its own name', async () => {
  for (const [name, load] of Object.entries(FAMILIES)) expect((await load()).family.name).toBe(name);
});

test('threads play every try once, and the same seed gives the same tries', async () => {
  const threads = openThreads(new AbortController().signal, 2);
  try {
    const module = new URL('./content/skipped-work.ts', import.meta.url);
    const attack = 'skips 2 % of tiles';
    const first = await threads.run(module, attack, 5, 7);
    expect(first.tries).toBe(5);
    const again = await threads.run(module, attack, 5, 7);
    expect(again.reasons).toEqual(first.reasons);
    await expect(threads.run(module, 'no such attack', 5, 7)).rejects.toThrow('no attack');
    // What failed leaves no thread busy: the next answer is that of the next question.
    expect(await threads.run(module, attack, 5, 7)).toMatchObject({ tries: 5, reasons: first.reasons });
  } finally {
    await threads.close();
  }
});

test('after an interruption no more tries are begun', async () => {
  const threads = openThreads(AbortSignal.abort(), 1);
  try {
    const module = new URL('./content/skipped-work.ts', import.meta.url);
    await expect(threads.run(module, 'skips 2 % of tiles', 5, 7)).rejects.toThrow('aborted');
  } finally {
    await threads.close();
  }
});
