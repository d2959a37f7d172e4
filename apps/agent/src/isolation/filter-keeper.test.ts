/** The keeper of the packet filter: no agent starts without it unawares, and what takes it down later is noticed and mended. */
import { CeliumError } from '@celium/contract';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { SimulatedClock } from '../testing/simulated-clock.ts';
import { FilterKeeper } from './filter-keeper.ts';

function keeperOf({ wanted = true, here = true } = {}) {
  const asserted: number[] = [];
  const host = { broken: false };
  const clock = new SimulatedClock();
  const filter = {
    assert: async () => {
      if (host.broken) throw new CeliumError('POD_FILTER_UNAVAILABLE', 'iptables is gone');
      asserted.push(clock.monotonicMs());
    },
  };
  const log = pino({ level: 'silent' });
  const keeper = new FilterKeeper({ filter, isBridgeHere: () => here, clock, log }, wanted);
  return { keeper, asserted, host, clock };
}

test('an agent whose engine lies elsewhere, or that cannot filter, does not start', async () => {
  await expect(keeperOf({ here: false }).keeper.start('cel-1')).rejects.toMatchObject({
    code: 'POD_FILTER_UNAVAILABLE',
  });
  const { keeper, host } = keeperOf();
  host.broken = true;
  await expect(keeper.start('cel-1')).rejects.toMatchObject({ code: 'POD_FILTER_UNAVAILABLE' });
  expect(keeper.stands).toBe(false);
});

test('a provider who accepts it runs without, and inventories say so', async () => {
  const { keeper, asserted } = keeperOf({ wanted: false, here: false });
  await keeper.start('cel-1');
  await keeper.renew();
  expect({ stands: keeper.stands, asserted }).toEqual({ stands: false, asserted: [] });
});

test('it is put up again each minute, and says when it is down and when it is back', async () => {
  const { keeper, asserted, host, clock } = keeperOf();
  await keeper.start('cel-1');
  const ending = new AbortController();
  const kept = keeper.keep(ending.signal);
  await clock.advance(60_000);
  expect(asserted).toHaveLength(2);
  host.broken = true;
  await clock.advance(60_000);
  expect(keeper.stands).toBe(false);
  host.broken = false;
  await clock.advance(60_000);
  expect(keeper.stands).toBe(true);
  ending.abort();
  await kept;
});
