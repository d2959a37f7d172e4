/** Whether an offer shows its machine as linked: by the newest whole check of each validator, and by nothing older, other or partial. */
import { randomUUID } from 'node:crypto';
import type { Offer, Receipt } from '@celium/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FakeProvider } from '../testing/fake-agent.ts';
import { TestMarket } from '../testing/test-market.ts';

let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start();
});
afterAll(() => market.close());

const UNITS = (): string[] => Array.from({ length: 3 }, () => `GPU-${randomUUID()}`);

async function linkOf(provider: FakeProvider): Promise<Offer['link']> {
  return (await market.call('getOffer', { params: { offerId: await market.offerOf(provider) } })).body.link;
}

/** Receipts of one check of a whole machine of H100, each pair at this rate. */
async function publishCheck(
  provider: FakeProvider,
  units: readonly string[],
  bytesPerSecond: number,
  endedAtMs: number,
  pairs = true,
): Promise<void> {
  const barrierId = randomUUID();
  for (const [i, unit] of units.entries()) {
    const pair = {
      peer: units[(i + 1) % units.length]!,
      verdict: 'pass' as const,
      code: 'OK',
      bytes: 1e12,
      elapsedMs: 2_000,
      bytesPerSecond,
      transcriptHash: 'ab'.repeat(32),
    };
    const measured: Receipt['measured'] = {
      class: 'H100',
      workPerSecond: 700,
      memoryBytes: 80_000_000_000,
      sweepBytesPerSecond: 0,
      walkHopsPerSecond: 0,
      int8OpsPerSecond: 0,
      proofMs: 20_000,
      deadlineMs: 50_000,
      rttMs: 1,
    };
    const said = { unit, barrierId, measured, startedAtMs: endedAtMs - 1_000, endedAtMs, ...(pairs ? { pair } : {}) };
    expect((await market.publishReceipt(provider, said)).status).toBe(201);
  }
}

test('a machine is linked by its newest whole check, and a check without pairs changes nothing', async () => {
  const units = UNITS();
  const { provider } = (await market.newOffer({ changes: { units } })).agent;
  expect(await linkOf(provider)).toBeNull();
  const nowMs = market.clock.now();
  await publishCheck(provider, units, 700e9, nowMs - 60_000);
  const linked = { linked: true, bytesPerSecond: 700e9, measuredAtMs: nowMs - 60_000 };
  expect(await linkOf(provider)).toEqual(linked);
  await publishCheck(provider, units, 0, nowMs - 50_000, false);
  expect(await linkOf(provider)).toEqual(linked);
  await publishCheck(provider, units, 100e9, nowMs - 40_000);
  expect(await linkOf(provider)).toEqual({ linked: false, bytesPerSecond: 100e9, measuredAtMs: nowMs - 40_000 });
});

test('a check of a part of the units, and one that is older than a day, leave a machine unlinked', async () => {
  const units = UNITS();
  const { provider } = (await market.newOffer({ changes: { units } })).agent;
  const nowMs = market.clock.now();
  await publishCheck(provider, units, 700e9, nowMs - 25 * 3_600_000);
  expect(await linkOf(provider)).toBeNull();
  await publishCheck(provider, units.slice(0, 2), 700e9, nowMs - 60_000);
  expect(await linkOf(provider)).toMatchObject({ linked: false, bytesPerSecond: null });
});

test('a machine with one unit has nothing to link', async () => {
  const { agent } = await market.newOffer();
  expect(await linkOf(agent.provider)).toBeNull();
});
