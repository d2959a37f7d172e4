/** The arithmetic behind the timing families and the real challenge agree to the millisecond. */
import { expect, test } from 'vitest';
import { randomStream } from '../random.ts';
import { LINKS } from './link.ts';
import { runSteps, timedChain, uniformSpeed } from './paced-device.ts';
import { arithmeticRun, challengeRun, classOf, type PacedRun, type RunStreams } from './paced-run.ts';

const chain = timedChain('routine');

const streamsOf = (number: number): RunStreams => ({
  up: randomStream('up', number),
  down: randomStream('down', number),
});

/** Runs of all kinds: links, speeds around the limit, relays, held pings and roots. */
function anyRun(number: number): PacedRun {
  const random = randomStream('any', number);
  const speeds = uniformSpeed(chain.leastSpeed * (0.85 + 0.2 * random.unit()));
  return {
    chain,
    link: LINKS[number % LINKS.length]!,
    stepMs: runSteps(chain, speeds, random),
    relayMs: number % 4 === 1 ? 50 * random.unit() : 0,
    pongDelayMs: number % 5 === 2 ? 400 * random.unit() : 0,
    holdMs: (step) => (number % 7 === 3 && step % 3 === 0 ? 30 : 0),
  };
}

test('elapsed time, round trip, limit and verdict are the same in both', async () => {
  const verdicts = new Set<boolean>();
  for (let number = 0; number < 60; number++) {
    const run = anyRun(number);
    const fast = arithmeticRun(run, streamsOf(number));
    const claim = await challengeRun(run, streamsOf(number), randomStream('bytes', number));
    expect(claim.reason).toBe(fast.late ? 'late' : 'none');
    const { elapsedMs, rttMinMs, limitMs } = claim.figures;
    expect({ elapsedMs, rttMinMs, limitMs }).toEqual({
      elapsedMs: fast.elapsedMs,
      rttMinMs: fast.rttMinMs,
      limitMs: fast.limitMs,
    });
    expect(classOf(chain, claim.figures)).toBe(fast.class);
    verdicts.add(fast.late);
  }
  expect(verdicts.size).toBe(2);
});

test('a reference device on a quiet path takes what the reference takes', () => {
  const total = chain.stepMs.reduce((sum, ms) => sum + ms, 0);
  const quiet = { name: 'quiet', rttMs: 0, loss: 0 };
  const { elapsedMs, late, class: found } = arithmeticRun({ chain, link: quiet, stepMs: chain.stepMs }, streamsOf(1));
  expect(Math.abs(elapsedMs - total)).toBeLessThan(20);
  expect(late).toBe(false);
  expect(found).toBe('H200');
});
