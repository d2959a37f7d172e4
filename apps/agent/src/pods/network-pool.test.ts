/** Every pod has a network of its own, ready before it is asked for, and none is lost or doubled. */
import { beforeEach, expect, test } from 'vitest';
import { silentLog } from '../log.ts';
import { MemoryEngine } from '../testing/memory-engine.ts';
import { SimulatedClock, settle } from '../testing/simulated-clock.ts';
import { NetworkPool } from './network-pool.ts';

let clock: SimulatedClock;
let engine: MemoryEngine;
let pool: NetworkPool;
beforeEach(async () => {
  clock = new SimulatedClock();
  engine = new MemoryEngine(() => clock.nowMs());
  pool = new NetworkPool(engine, 2, clock, silentLog);
  await pool.adopt();
  await settle();
});

test('pods that start at one time get different networks, more than were made ahead', async () => {
  const taken = await Promise.all(Array.from({ length: 5 }, () => pool.take()));
  expect(new Set(taken).size).toBe(5);
  expect(taken.every((name) => /^cel-[0-9a-f]{8}$/.test(name))).toBe(true);
  for (const name of taken) pool.give(name);
  await settle();
  expect(engine.networks.size).toBe(2);
});

test('a network that lost its pod is reclaimed after a minute, one whose pod is being made is not', async () => {
  const name = await pool.take();
  await pool.adopt();
  await settle();
  expect(engine.networks.size).toBe(3);
  expect(engine.networks).toContain(name);
  await clock.advance(61_000);
  await pool.adopt();
  await settle();
  expect(engine.networks.size).toBe(2);
});

test('networks that an earlier run left are used, those that vanished are forgotten', async () => {
  const next = new NetworkPool(engine, 2, clock, silentLog);
  await next.adopt();
  await settle();
  expect(engine.networks.size).toBe(2);
  const [gone] = [...engine.networks];
  engine.networks.delete(gone ?? '');
  await next.adopt();
  await settle();
  expect(engine.networks.size).toBe(2);
  expect([await next.take(), await next.take()]).not.toContain(gone);
});

test('an engine that is away makes no network, and the next pass makes up for it', async () => {
  engine.away = true;
  await pool.take();
  await pool.take();
  await expect(pool.take()).rejects.toThrow(/away/);
  engine.away = false;
  await pool.adopt();
  await settle();
  expect(engine.networks.size).toBe(4);
});

test('a pool that is cleared leaves only what pods use', async () => {
  const used = await pool.take();
  await settle();
  await pool.clear();
  expect([...engine.networks]).toEqual([used]);
});
