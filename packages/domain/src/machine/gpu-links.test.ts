/** Which machines are linked: the table of links against their buses, the rows of the confusion table, and the ring. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GPU_CLASSES } from './gpu-classes.ts';
import {
  GPU_LINKS,
  linkByValidators,
  linkFloor,
  linkOfMachine,
  pairRounds,
  type PairedUnit,
  unlinkedBytesPerSecond,
} from './gpu-links.ts';

const GB = 1e9;

/** A machine of `count` units of one class, each pair at the same rate. */
function machine(gpuClass: string, count: number, bytesPerSecond: number): PairedUnit[] {
  const names = Array.from({ length: count }, (_, i) => `GPU-${i}`);
  return names.map((unit, i) => ({
    unit,
    class: gpuClass,
    barrierId: 'b1',
    passed: true,
    pair: count === 2 && i === 1 ? null : { peer: names[(i + 1) % count]!, passed: true, bytesPerSecond },
  }));
}

test('every class of the table of links is a whole card of the table of classes', () => {
  for (const link of GPU_LINKS) {
    const known = GPU_CLASSES.find(({ name }) => name === link.class);
    expect(known?.sliceOf, link.class).toBeUndefined();
    expect(known, link.class).toBeDefined();
  }
});

test('every floor is above what bus, host and regenerating give together, and below what the link carries', () => {
  const floors = GPU_LINKS.flatMap((link) => {
    const floor = linkFloor(link.class);
    if (floor === null) return [];
    expect(floor, link.class).toBeGreaterThanOrEqual(1.1 * unlinkedBytesPerSecond(link));
    expect(floor, link.class).toBeLessThan(0.8 * link.gigabytesPerSecond * GB);
    return [`${link.class} ${floor / GB}`];
  });
  expect(floors).toEqual([
    'B300 1170',
    'B200 1170',
    'H200 585',
    'H200-NVL 585',
    'H100 585',
    'H20 585',
    'A100-80GB 390',
    'A100-40GB 390',
  ]);
});

/** Data-sheet rates of both directions; a pair gets 0.85 of it at best, and what a bus gets is never more than the whole. */
test.each([
  ['H100 SXM behind switches', 'H100', 8, 0.85 * 900, true],
  ['H200 SXM behind switches', 'H200', 8, 0.85 * 900, true],
  ['B200 behind switches', 'B200', 8, 0.85 * 1800, true],
  ['A100 SXM behind switches', 'A100-80GB', 8, 0.85 * 600, true],
  ['two A100 PCIe with a bridge', 'A100-80GB', 2, 0.85 * 600, true],
  ['two H200 NVL with a bridge', 'H200-NVL', 2, 0.85 * 900, true],
  ['A100 PCIe without a bridge', 'A100-80GB', 8, 63, false],
  ['A800, whose links have 400', 'A100-80GB', 8, 0.9 * 400, false],
  ['H800, whose links have 400', 'H100', 8, 0.9 * 400, false],
  ['four H100 without a switch: 300 to each neighbour', 'H100', 4, 300, false],
  ['four A100 without a switch: 200 to each neighbour', 'A100-80GB', 4, 200, false],
  ['H100 PCIe without a bridge', 'H100-PCIE', 8, 126, false],
  ['two H100 PCIe with a bridge: not told from bus and host', 'H100-PCIE', 2, 0.85 * 600, false],
  ['two RTX 3090 with a bridge: not told from their bus', 'RTX3090', 2, 0.85 * 112.5, false],
  ['RTX 4090, which have no link', 'RTX4090', 8, 63, false],
  ['an unknown card, whatever it shows', 'NVIDIA', 8, 5000, false],
  ['CPU units, whatever they show', 'CPU', 2, 5000, false],
])('%s: linked %#', (_what, gpuClass, count, gigabytesPerSecond, linked) => {
  const found = linkOfMachine(machine(gpuClass, count, gigabytesPerSecond * GB));
  expect(found).toEqual({ linked, bytesPerSecond: gigabytesPerSecond * GB });
});

test('noise of 2 % around what honest links get takes no machine its link, and gives none to a bus', () => {
  let state = 7;
  const noise = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 0.98 + (0.04 * state) / 2 ** 32;
  };
  for (const link of GPU_LINKS) {
    if (linkFloor(link.class) === null) continue;
    for (let run = 0; run < 200; run++) {
      const honest = machine(link.class, 8, 0.8 * link.gigabytesPerSecond * GB * noise());
      expect(linkOfMachine(honest).linked, link.class).toBe(true);
      const bus = machine(link.class, 8, unlinkedBytesPerSecond(link) * noise());
      expect(linkOfMachine(bus).linked, link.class).toBe(false);
    }
  }
});

test('one slow pair, one that failed, one that is missing, or a unit of another barrier leaves the machine unlinked', () => {
  const good = (): PairedUnit[] => machine('H100', 8, 700 * GB);
  const changed = (change: (unit: PairedUnit) => void): boolean => {
    const units = good();
    change(units[3]!);
    return linkOfMachine(units).linked;
  };
  expect(linkOfMachine(good()).linked).toBe(true);
  expect(changed((unit) => (unit.pair!.bytesPerSecond = 100 * GB))).toBe(false);
  expect(changed((unit) => (unit.pair!.passed = false))).toBe(false);
  expect(changed((unit) => (unit.pair = null))).toBe(false);
  expect(changed((unit) => (unit.barrierId = 'b2'))).toBe(false);
  expect(changed((unit) => (unit.passed = false))).toBe(false);
  expect(changed((unit) => (unit.pair!.peer = 'GPU-0'))).toBe(false);
  expect(changed((unit) => (unit.pair!.peer = unit.unit))).toBe(false);
  expect(changed((unit) => (unit.class = 'RTX3090'))).toBe(false);
});

test('a single unit, and two of which one is paired with itself, are not linked', () => {
  expect(linkOfMachine(machine('H100', 1, 700 * GB)).linked).toBe(false);
  expect(linkOfMachine([])).toEqual({ linked: false, bytesPerSecond: null });
  const twins = machine('H100', 2, 700 * GB);
  twins[0]!.pair!.peer = twins[0]!.unit;
  expect(linkOfMachine(twins).linked).toBe(false);
});

test('a market goes by more than half of its validators’ newest whole checks', () => {
  const names = ['GPU-0', 'GPU-1', 'GPU-2', 'GPU-3'];
  const said = (gigabytesPerSecond: number, endedAtMs: number) => ({
    endedAtMs,
    units: machine('H100', 4, gigabytesPerSecond * GB),
  });
  expect(linkByValidators(names, [])).toBeNull();
  expect(linkByValidators(names, [said(700, 5)])).toEqual({
    linked: true,
    bytesPerSecond: 700 * GB,
    measuredAtMs: 5,
  });
  expect(linkByValidators(names, [said(700, 5), said(100, 7)])).toMatchObject({ linked: false, measuredAtMs: 7 });
  const three = [said(700, 5), said(100, 7), said(650, 6)];
  expect(linkByValidators(names, three)).toMatchObject({ linked: true, bytesPerSecond: 650 * GB });
  // A check of other units than the offer has says nothing for it.
  expect(linkByValidators([...names, 'GPU-4'], [said(700, 5)])).toMatchObject({ linked: false, bytesPerSecond: null });
});

test('rounds pair every unit with its neighbours once, and no unit twice in a round', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 70 }), (count) => {
      const units = Array.from({ length: count }, (_, i) => `GPU-${i}`);
      const rounds = pairRounds(units);
      const pairs = rounds.flat();
      expect(rounds.length).toBe(count < 2 ? 0 : count === 2 ? 1 : count % 2 === 0 ? 2 : 3);
      expect(pairs.length).toBe(count < 2 ? 0 : count === 2 ? 1 : count);
      for (const round of rounds) {
        const busy = round.flatMap(({ lead, peer }) => [lead, peer]);
        expect(new Set(busy).size).toBe(busy.length);
      }
      if (count < 2) return;
      const measured = units.map((unit) => {
        const pair = pairs.find(({ lead }) => lead === unit);
        const found = pair === undefined ? null : { peer: pair.peer, passed: true, bytesPerSecond: 700 * GB };
        return { unit, class: 'H100', barrierId: 'b1', passed: true, pair: found };
      });
      expect(linkOfMachine(measured).linked).toBe(true);
    }),
  );
});
