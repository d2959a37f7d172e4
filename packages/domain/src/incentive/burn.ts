/** What nobody earned goes to the owner's neurons and burns; what that costs the subnet under the chain's present rule. Owner and rule are read from the chain. */

import { ratioText, PPM } from './parts-per-million.ts';
import type { EpochRates } from './rates.ts';

/** The whole of a row of weights. */
const ROW_WHOLE = 65_535n;

/** Neurons whose incentive the chain burns or recycles: those of the owner's coldkey, lowest UID first. */
export function burners(
  neurons: readonly { uid: number; hotkey: string; coldkey: string }[],
  owner: { ownerColdkey: string; ownerHotkey: string },
): number[] {
  return neurons
    .filter(({ coldkey, hotkey }) => coldkey === owner.ownerColdkey || hotkey === owner.ownerHotkey)
    .map(({ uid }) => uid)
    .toSorted((a, b) => a - b);
}

/** A row of weights with its burn, or why there can be none. */
export type BurnRow =
  | { ok: true; row: Array<[uid: number, weight: number]>; burnWeight: number }
  | { ok: false; reason: string };

/**
 * Pay as a row of weights that sums to 65,535: each provider's part of the pot, rounded down, the rest to the first burner. Whoever has no UID
 * on the subnet gets nothing, and theirs burns. Without a burner there is no row: what is unearned would go to providers.
 */
export function rowWithBurn(
  payMicroUsd: ReadonlyMap<string, bigint>,
  potMicroUsd: bigint,
  uidOfHotkey: ReadonlyMap<string, number>,
  burnerUids: readonly number[],
): BurnRow {
  const [burner] = burnerUids;
  if (burner === undefined)
    return { ok: false, reason: 'the subnet owner has no neuron: nothing could burn, so no weights are set' };
  let left = ROW_WHOLE;
  const row: Array<[number, number]> = [];
  for (const [hotkey, pay] of payMicroUsd) {
    const uid = uidOfHotkey.get(hotkey);
    // What an owner's neuron earns by machines burns as well.
    if (uid === undefined || potMicroUsd === 0n || burnerUids.includes(uid)) continue;
    const weight = (pay * ROW_WHOLE) / potMicroUsd;
    if (weight < 0n || weight > left) return { ok: false, reason: 'more was paid than there is' };
    if (weight === 0n) continue;
    left -= weight;
    row.push([uid, Number(weight)]);
  }
  if (left > 0n) row.push([burner, Number(left)]);
  return { ok: true, row: row.toSorted((a, b) => a[0] - b[0]), burnWeight: Number(left) };
}

/** Everything a hotkey is paid for an epoch, rental shares included. */
export function payOfHotkeys(rates: EpochRates): Map<string, bigint> {
  const pay = new Map<string, bigint>();
  const add = (hotkey: string, amount: bigint): void => void pay.set(hotkey, (pay.get(hotkey) ?? 0n) + amount);
  for (const { hotkey, totalMicroUsd } of rates.lines) add(hotkey, totalMicroUsd);
  for (const { hotkey, paidMicroUsd } of rates.rentalShares) add(hotkey, paidMicroUsd);
  return pay;
}

/** How the chain shares TAO among subnets: by price alone, or by price times what miners' incentive was not burned. Read from the runtime, never assumed. */
export type EmissionRule = 'price' | 'price-times-unburned';

/** What the chain shows of the network at a block. */
export interface NetworkShares {
  rule: EmissionRule;
  /** This subnet's part of the sum of all EMA prices. */
  pricePpm: bigint;
  /** The price-weighted mean of what the other subnets burn. */
  othersBurnPpm: bigint;
  /** What all subnets get in a day, micro-dollars. */
  networkMicroUsdPerDay: bigint;
}

/** What burning a part of the miners' incentive costs a subnet. */
export interface BurnCost {
  burnPpm: bigint;
  /** Its part of the network's TAO. */
  taoSharePpm: bigint;
  taoMicroUsdPerDay: bigint;
  /** What it loses against burning nothing. */
  lostMicroUsdPerDay: bigint;
}

/** The cost of one burn under the rule that the chain has now: share = price x (1 - burned), over the sum of all subnets. */
export function burnCost(burnPpm: bigint, network: NetworkShares): BurnCost {
  const taoSharePpm = taoShare(burnPpm, network);
  const perDay = (share: bigint): bigint => (network.networkMicroUsdPerDay * share) / PPM;
  const taoMicroUsdPerDay = perDay(taoSharePpm);
  return {
    burnPpm,
    taoSharePpm,
    taoMicroUsdPerDay,
    lostMicroUsdPerDay: perDay(taoShare(0n, network)) - taoMicroUsdPerDay,
  };
}

function taoShare(burnPpm: bigint, { rule, pricePpm, othersBurnPpm }: NetworkShares): bigint {
  if (rule === 'price') return pricePpm;
  const own = pricePpm * (PPM - burnPpm);
  const others = (PPM - pricePpm) * (PPM - othersBurnPpm);
  return own + others === 0n ? 0n : (own * PPM) / (own + others);
}

/** One setting of the knobs and what follows from it. */
export interface SettingCost extends BurnCost {
  rentalShare: 'cash' | 'emission';
  baseCapPpm: bigint;
  emissionMicroUsd: bigint;
  text: string;
}

/**
 * What each setting costs, for one epoch's figures: the rental share from cash or from emission, base as it is and at other caps. Base is taken
 * in proportion to its cap, an upper bound where the price part binds.
 */
export function settingCosts(
  epoch: { potMicroUsd: bigint; baseMicroUsd: bigint; demandMicroUsd: bigint; owedRentalShareMicroUsd: bigint },
  baseCapPpm: bigint,
  otherCapsPpm: readonly bigint[],
  network: NetworkShares,
): SettingCost[] {
  return [baseCapPpm, ...otherCapsPpm].flatMap((cap) =>
    (['cash', 'emission'] as const).map((rentalShare): SettingCost => {
      const base = baseCapPpm === 0n ? 0n : (epoch.baseMicroUsd * cap) / baseCapPpm;
      const wanted = base + epoch.demandMicroUsd + (rentalShare === 'emission' ? epoch.owedRentalShareMicroUsd : 0n);
      const emissionMicroUsd = wanted < epoch.potMicroUsd ? wanted : epoch.potMicroUsd;
      const burned = epoch.potMicroUsd - emissionMicroUsd;
      const cost = burnCost(epoch.potMicroUsd === 0n ? PPM : (burned * PPM) / epoch.potMicroUsd, network);
      const text = `rental share from ${rentalShare}, base up to ${ratioText(cap)} of the pot: ${ratioText(cost.burnPpm)} burns, ${ratioText(cost.taoSharePpm, 6)} of the network's TAO`;
      return { ...cost, rentalShare, baseCapPpm: cap, emissionMicroUsd, text };
    }),
  );
}
