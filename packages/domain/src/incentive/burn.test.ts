/** Burn: what is unearned reaches the owner's neurons, and its cost follows the chain's rule. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { burnCost, burners, rowWithBurn, settingCosts, type NetworkShares } from './burn.ts';

const USD = 1_000_000n;
const network: NetworkShares = {
  rule: 'price-times-unburned',
  pricePpm: 10_000n,
  othersBurnPpm: 400_000n,
  networkMicroUsdPerDay: 1_000_000n * USD,
};

describe('a row of weights', () => {
  test('gives each provider its part of the pot and the rest to the owner', () => {
    const pay = new Map([
      ['one', 100n],
      ['two', 300n],
      ['gone', 100n],
    ]);
    const uids = new Map([
      ['one', 7],
      ['two', 3],
    ]);
    expect(rowWithBurn(pay, 1_000n, uids, [0, 9])).toEqual({
      ok: true,
      row: [
        [0, 39_322],
        [3, 19_660],
        [7, 6_553],
      ],
      burnWeight: 39_322,
    });
  });

  test('is the whole, and nobody has more than they earned', () => {
    const pays = fc.array(fc.bigInt({ min: 0n, max: 1_000_000n }), { maxLength: 20 });
    fc.assert(
      fc.property(pays, fc.bigInt({ min: 0n, max: 1_000_000n }), (amounts, unearned) => {
        const pot = amounts.reduce((total, amount) => total + amount, unearned);
        const pay = new Map(amounts.map((amount, i) => [`h${i}`, amount]));
        const uids = new Map(amounts.map((_, i) => [`h${i}`, i + 1]));
        const made = rowWithBurn(pay, pot, uids, [0]);
        if (!made.ok) throw new Error(made.reason);
        expect(made.row.reduce((total, [, weight]) => total + weight, 0)).toBe(65_535);
        for (const [uid, weight] of made.row.filter(([uid]) => uid !== 0))
          expect(BigInt(weight) * pot <= amounts[uid - 1]! * 65_535n).toBe(true);
      }),
    );
  });

  test('does not exist without a neuron of the owner, and never pays more than there is', () => {
    expect(rowWithBurn(new Map(), 10n, new Map(), [])).toMatchObject({ ok: false });
    expect(rowWithBurn(new Map([['one', 11n]]), 10n, new Map([['one', 1]]), [0])).toMatchObject({ ok: false });
  });
});

test('burners are the neurons of the owner as the chain names them, whatever their UIDs', () => {
  const neurons = [
    { uid: 206, hotkey: 'a', coldkey: 'owner' },
    { uid: 4, hotkey: 'b', coldkey: 'owner' },
    { uid: 5, hotkey: 'c', coldkey: 'somebody' },
    { uid: 9, hotkey: 'owner-hot', coldkey: 'moved' },
  ];
  expect(burners(neurons, { ownerColdkey: 'owner', ownerHotkey: 'owner-hot' })).toEqual([4, 9, 206]);
});

describe('burning', () => {
  test('60 % in place of 80 % doubles the inflow of a small subnet', () => {
    const small = { ...network, pricePpm: 100n, networkMicroUsdPerDay: 10n ** 15n };
    const [more, less] = [burnCost(800_000n, small), burnCost(600_000n, small)];
    expect(Number(less.taoSharePpm) / Number(more.taoSharePpm)).toBeCloseTo(2, 1);
  });

  test('costs nothing as long as the chain goes by price alone', () => {
    expect(burnCost(800_000n, { ...network, rule: 'price' })).toMatchObject({
      taoSharePpm: 10_000n,
      lostMicroUsdPerDay: 0n,
    });
  });

  test('all of it leaves no share, unless everybody does', () => {
    expect(burnCost(1_000_000n, network).taoSharePpm).toBe(0n);
    expect(burnCost(1_000_000n, { ...network, othersBurnPpm: 1_000_000n }).taoSharePpm).toBe(0n);
  });

  test('more never raises the share', () => {
    const ratio = fc.bigInt({ min: 0n, max: 1_000_000n });
    fc.assert(
      fc.property(ratio, ratio, ratio, ratio, (a, b, pricePpm, othersBurnPpm) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const own = { ...network, pricePpm, othersBurnPpm };
        expect(burnCost(high, own).taoSharePpm <= burnCost(low, own).taoSharePpm).toBe(true);
      }),
    );
  });
});

test('each setting is shown with what it burns and what that costs', () => {
  const epoch = {
    potMicroUsd: 1_500n * USD,
    baseMicroUsd: 150n * USD,
    demandMicroUsd: 27n * USD,
    owedRentalShareMicroUsd: 310n * USD,
  };
  const costs = settingCosts(epoch, 200_000n, [0n], network);
  expect(costs.map(({ text }) => text)).toEqual([
    "rental share from cash, base up to 0.2 of the pot: 0.882 burns, 0.001982 of the network's TAO",
    "rental share from emission, base up to 0.2 of the pot: 0.675 burns, 0.005436 of the network's TAO",
    "rental share from cash, base up to 0 of the pot: 0.982 burns, 0.000302 of the network's TAO",
    "rental share from emission, base up to 0 of the pot: 0.775 burns, 0.003768 of the network's TAO",
  ]);
  expect(costs[0]!.lostMicroUsdPerDay > costs[1]!.lostMicroUsdPerDay).toBe(true);
});
