/** Policies: the owner's alone, as the chain names the owner, and never outside the bounds. */
import { keyFromUri, signDocument } from '@celium/chain';
import type { IncentivePolicyDocument } from '@celium/contract';
import { describe, expect, test } from 'vitest';
import { policyInForce, readPolicy, type PolicyOwner, type ReadPolicy } from './policy-reader.ts';

const hotkey = keyFromUri('//Alice');
const coldkey = keyFromUri('//Alice//stash');
const owner: PolicyOwner = { netuid: 51, ownerHotkey: hotkey.ss58, ownerColdkey: coldkey.ss58 };
const body = (changes: Partial<IncentivePolicyDocument> = {}): IncentivePolicyDocument => ({
  netuid: 51,
  serial: 1,
  issuedAtMs: 1_790_000_000_000,
  fromEpoch: 3,
  feePpm: 100_000,
  kappaPpm: 800_000,
  baseCapPpm: 200_000,
  baseOfPricePpm: 350_000,
  filterDivisor: 4,
  rentalShare: 'cash',
  feeds: ['a', 'b', 'c'],
  minimumFeeds: 3,
  priceChangePpmPerHour: 20_000,
  reserveChangePpmPerEpoch: 10_000,
  classes: [{ gpuClass: 'H200', reserveUnits: 50, anchorMicroUsdPerHour: '2500000' }],
  ...changes,
});
const read = async (changes: Partial<IncentivePolicyDocument> = {}, signer = hotkey) =>
  readPolicy(await signDocument('incentive-policy', body(changes), signer), owner);

test('the owner signs with the hotkey or the coldkey of the chain', async () => {
  for (const signer of [hotkey, coldkey]) {
    expect(await read({}, signer)).toMatchObject({
      ok: true,
      policy: {
        kappaPpm: 800_000n,
        classes: [{ gpuClass: 'H200', reserveUnits: 50n, anchorMicroUsdPerHour: 2_500_000n }],
      },
    });
  }
});

describe('a policy is refused', () => {
  test('with a foreign signature, which is named beside the owner', async () => {
    const refused = await read({}, keyFromUri('//Mallory'));
    expect(refused).toMatchObject({ ok: false, code: 'KEY_NOT_DELEGATED' });
    expect(refused).toMatchObject({ message: expect.stringContaining(coldkey.ss58) });
  });

  test('when a word of it was changed after it was signed', async () => {
    const signed = await signDocument('incentive-policy', body(), hotkey);
    const changed = { ...signed, body: { ...signed.body, feePpm: 1 } };
    expect(readPolicy(changed, owner)).toMatchObject({ ok: false, code: 'SIGNATURE_WRONG' });
  });

  test.each([
    ['of another subnet', { netuid: 52 }, 'CONFLICT'],
    ['that could pay for pretended rentals', { kappaPpm: 900_000 }, 'BAD_REQUEST'],
    ['that raises base above a fifth', { baseCapPpm: 300_000 }, 'BAD_REQUEST'],
    ['that needs two feeds only', { minimumFeeds: 2 }, 'BAD_REQUEST'],
    ['that names one feed three times', { feeds: ['a', 'a', 'a'] }, 'BAD_REQUEST'],
  ])('%s', async (_what, changes, code) => {
    expect(await read(changes)).toMatchObject({ ok: false, code });
  });

  test.each([null, 7, 'text', {}, { document: 'incentive-policy' }])('that is garbage: %j', (garbage) => {
    expect(readPolicy(garbage, owner)).toMatchObject({ ok: false });
  });
});

test('a policy counts from its epoch on, the highest serial first, and of two with one serial the one seen first', async () => {
  const seen = (await Promise.all([
    read(),
    read({ serial: 2, fromEpoch: 5, feePpm: 200_000 }),
    read({ serial: 2, fromEpoch: 5, feePpm: 300_000 }),
  ])) as ReadPolicy[];
  expect(policyInForce(seen, 2)).toBeNull();
  expect(policyInForce(seen, 4)?.serial).toBe(1);
  expect(policyInForce(seen, 5)?.policy.feePpm).toBe(200_000n);
});
