/** The ports of a range come round, none is forgotten, and one that leads nowhere fails the machine. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgePorts, PORTS_PER_CHECK, samplePorts } from './port-sample.ts';

test('the whole range is tried once before any port is tried twice, whatever the draws', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: PORTS_PER_CHECK }),
      fc.infiniteStream(fc.nat()),
      (size, count, draws) => {
        const range = { from: 40_000, to: 40_000 + size - 1 };
        const draw = (n: number): number => (draws.next().value as number) % n;
        const tried = new Map<number, number>();
        for (let check = 0; check < Math.ceil(size / count); check += 1) {
          const ports = samplePorts(range, tried, count, draw);
          expect(new Set(ports).size).toBe(Math.min(count, size));
          for (const port of ports) {
            expect(port >= range.from && port <= range.to).toBe(true);
            tried.set(port, check);
          }
        }
        expect(tried.size).toBe(size);
      },
    ),
  );
});

test('ports that lead into the pod pass; one that does not, or lies outside the range, fails', () => {
  const range = { from: 100, to: 110 };
  const open = { host: 101, reached: true };
  expect(judgePorts(range, [open, { host: 110, reached: true }])).toEqual({ verdict: 'pass', code: 'OK' });
  expect(judgePorts(range, [open, { host: 102, reached: false }])).toMatchObject({ code: 'PORT_CLOSED' });
  expect(judgePorts(range, [open, { host: 99, reached: true }])).toMatchObject({ code: 'PORT_OUTSIDE_RANGE' });
  expect(judgePorts(range, [])).toEqual({ verdict: 'not-tested', code: 'NO_PORTS' });
});
