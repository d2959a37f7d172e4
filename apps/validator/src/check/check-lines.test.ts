/** What is said of a check of a machine with several units: its class together only where all of them passed at once. */
import { afterEach, expect, test } from 'vitest';
import { openCheckBench, type CheckBench } from '../testing/check-bench.ts';
import { linesOfCheck } from './check-lines.ts';
import { checkMachine } from './check-machine.ts';

const UNITS = ['GPU-00000001-aaaa', 'GPU-00000002-bbbb'];
let bench: CheckBench;
afterEach(() => bench.close());

async function linesFor(units: string[]): Promise<Array<Record<string, unknown>>> {
  const outcome = await checkMachine(bench.ports, bench.known, units, new AbortController().signal);
  return linesOfCheck(bench.known, outcome, 1);
}

test('two units that passed under one barrier are one machine of the weaker class', async () => {
  bench = openCheckBench({ units: UNITS });
  const lines = await linesFor(UNITS);
  expect(lines.map(({ unit, verdict }) => [unit, verdict])).toEqual(UNITS.map((unit) => [unit, 'pass']));
  const together = { class: 'NVIDIA', units: 2, linked: false, bytesPerSecond: expect.any(Number) };
  expect(lines.map((line) => line['together'])).toEqual(UNITS.map(() => together));
});

test('a part of the units, or a single one, says nothing of the machine', async () => {
  bench = openCheckBench({ units: UNITS });
  expect((await linesFor(UNITS.slice(1)))[0]).not.toHaveProperty('together');
  bench.close();
  bench = openCheckBench();
  expect((await linesFor(bench.known.machine.units))[0]).not.toHaveProperty('together');
});
