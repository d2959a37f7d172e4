/** Worker loops: they look at their interval, at once when woken, again when there is more, and slower while they fail. */
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { PATIENCE } from './testing/patience.ts';
import { TestClock } from './testing/test-clock.ts';
import { startWorkerLoop, type WorkerLoop } from './worker-loop.ts';

let loop: WorkerLoop | undefined;
afterEach(() => loop?.stop());

function start(clock: TestClock, work: () => Promise<boolean>): WorkerLoop {
  loop = startWorkerLoop({ name: 'test', intervalMs: 60_000, clock, log: pino({ level: 'silent' }) }, work);
  return loop;
}

test('it looks at once, then each interval, and whenever it is woken', async () => {
  const clock = new TestClock();
  let looks = 0;
  const running = start(clock, async () => {
    looks += 1;
    return false;
  });
  await expect.poll(() => looks, PATIENCE).toBe(1);
  clock.advance(60_000);
  await expect.poll(() => looks, PATIENCE).toBe(2);
  running.wake();
  await expect.poll(() => looks, PATIENCE).toBe(3);
});

test('a wake during a run leads to one more run, and "there is more" to the next at once', async () => {
  const clock = new TestClock();
  const seen: number[] = [];
  let release = (): void => undefined;
  const running = start(clock, async () => {
    seen.push(seen.length);
    if (seen.length === 1) await new Promise<void>((resolve) => (release = resolve));
    return seen.length === 2;
  });
  await expect.poll(() => seen.length, PATIENCE).toBe(1);
  running.wake();
  running.wake();
  release();
  await expect.poll(() => seen.length, PATIENCE).toBe(3);
});

test('a worker that fails tries again, not at once, and is not hurried by wakes', async () => {
  const clock = new TestClock();
  let looks = 0;
  const running = start(clock, async () => {
    looks += 1;
    if (looks < 3) throw new Error('no database');
    return false;
  });
  await expect.poll(() => looks, PATIENCE).toBe(1);
  running.wake();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(looks).toBe(1);
  clock.advance(10_000);
  await expect.poll(() => looks, PATIENCE).toBe(2);
  clock.advance(10_000);
  await expect.poll(() => looks, PATIENCE).toBe(3);
});

test('its stop waits for the run in progress', async () => {
  const clock = new TestClock();
  let done = false;
  let begun = false;
  const running = start(clock, async () => {
    begun = true;
    await new Promise((resolve) => setTimeout(resolve, 30));
    done = true;
    return false;
  });
  await expect.poll(() => begun, PATIENCE).toBe(true);
  await running.stop();
  expect(done).toBe(true);
});
