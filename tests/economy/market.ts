/**
 * The model market: hosts with costs who come and go by what they would earn, renters with noisy demand, prices that follow tightness, and the real
 * engine in between, epoch by epoch. Hosts and renters are reckoned in ordinary numbers, whatever pays them in the engine's whole numbers.
 */
import {
  anchorReference,
  basePerUnitPpm,
  computeRates,
  countDemand,
  demandPerUnitPpm,
  followFeeds,
  moveReserve,
  type ClassInput,
  type EpochRates,
  type IncentivePolicy,
  type PriceReading,
  type PriceReference,
  type StatementLine,
  type SupplyLine,
} from '@celium/domain';
import { CLASSES, EPOCH_HOURS, EPOCH_MS, MICRO, microUsd, type ModelClass } from './classes.ts';
import type { Dice } from './dice.ts';

/** One host: idle, on its way in, or in the market. */
interface Host {
  name: string;
  model: ModelClass;
  costUsdPerHour: number;
  state: 'out' | 'coming' | 'in';
  /** Hour of the next decision, or of going in. */
  nextHour: number;
  sinceHour: number;
}

/** What a unit-hour of a class brings, dollars: rent on the average of all units, and emission for full reliability. */
interface Brings {
  rentUsd: number;
  emissionUsd: number;
}

/** What a run is played with. */
export interface MarketSetting {
  policy: IncentivePolicy;
  /** Mean hours between two decisions of a host. */
  hostDelayHours: number;
  /** Epoch of the demand shock; null for none. */
  shockEpoch: number | null;
  /** What miners get in an epoch, dollars. */
  potUsd: (epoch: number) => number;
  /** Pay reliability by day of age, millionths. */
  reliabilityByDay: readonly bigint[];
  dice: Dice;
}

/** One class in one epoch. */
export interface ClassSight {
  gpuClass: string;
  supplyUnits: number;
  demandUnits: number;
  /** The part of wanted units that found one. */
  fill: number;
  /** What a fully reliable unit was paid by emission, as part of its reference price. */
  payOfPrice: number;
  poolUsd: number;
}

export interface EpochSight {
  epoch: number;
  classes: ClassSight[];
  rates: EpochRates;
  revenueUsd: number;
}

/** One class's renters in an epoch. */
interface Rented {
  model: ModelClass;
  demandUnits: number;
  supplyUnits: number;
  usedUnits: number;
  priceUsd: number;
  revenueUsd: number;
  line: StatementLine;
}

/** Income of a unit-hour below this part of its cost drives a host out, above the other draws one in. */
const EXIT_BELOW = 0.95;
const ENTER_ABOVE = 1.05;
const ONBOARDING_HOURS = [1, 6] as const;
/** Posted prices follow tightness in about a day: providers post them, nobody bids by the hour. */
const PRICE_PER_EPOCH = EPOCH_HOURS / 24;
/** The world's price answers the shock by this power of it, over about five days. */
const WORLD_PRICE_POWER = 0.3;
const WORLD_PRICE_PER_EPOCH = EPOCH_HOURS / 120;

/** A market that goes on epoch by epoch. */
export class Market {
  readonly #setting: MarketSetting;
  readonly #hosts: Host[];
  readonly #noise = new Map<string, number>();
  readonly #worldPrice = new Map<string, number>();
  #references: Map<string, PriceReference>;
  #reserves: Map<string, bigint>;
  #reservoirs = new Map<string, bigint>();
  readonly #brings = new Map<string, Brings>();
  /** The price that machines of each class stand at, as part of the reference. */
  readonly #posted = new Map<string, number>();
  #epoch = 0;

  constructor(setting: MarketSetting) {
    this.#setting = setting;
    const { policy, dice } = setting;
    this.#references = new Map(
      policy.classes.map((own) => [own.gpuClass, anchorReference(own.gpuClass, own.anchorMicroUsdPerHour, 0)]),
    );
    this.#reserves = new Map(policy.classes.map((own) => [own.gpuClass, own.reserveUnits * BigInt(MICRO)]));
    this.#hosts = CLASSES.flatMap((model) => {
      this.#worldPrice.set(model.gpuClass, model.priceUsd);
      return Array.from({ length: model.hosts }, (_, i): Host => {
        const costUsdPerHour = model.priceUsd * model.costOfPrice * Math.exp(0.25 * dice.normal());
        const isIn = i * model.hostUnits < model.demandUnits * 1.3;
        // Those that are there from the start have been for weeks.
        const sinceHour = -dice.between(0, 60 * 24);
        const nextHour = dice.waiting(setting.hostDelayHours);
        return {
          name: `${model.gpuClass}-${i}`,
          model,
          costUsdPerHour,
          state: isIn ? 'in' : 'out',
          nextHour,
          sinceHour,
        };
      });
    });
  }

  /** One epoch: hosts decide, renters rent, feeds speak, the engine pays. */
  step(): EpochSight {
    const epoch = this.#epoch;
    const { policy, potUsd } = this.#setting;
    const hour = epoch * EPOCH_HOURS;
    this.#letHostsDecide(hour);
    this.#followFeeds(epoch);
    const supply = this.#supply(hour);
    const rented = CLASSES.map((model) => this.#rent(model, supply, epoch));
    const demand = countDemand({
      statements: [{ market: 'market', root: `epoch ${epoch}`, lines: rented.map((own) => own.line) }],
      burns: [
        this.#feeBurn(
          epoch,
          rented.map((own) => own.revenueUsd),
        ),
      ],
      // The model knows rentals by class only: all hosts of a class are one machine to the statement.
      verified: supply.map((line) => ({ ...line, machineKey: line.gpuClass })),
      periodMs: EPOCH_MS,
      referenceMicroUsdPerHour: new Map(
        [...this.#references].map(([gpuClass, own]) => [gpuClass, own.microUsdPerHour]),
      ),
      policy,
    });
    const classes = policy.classes.map((own): ClassInput => this.#classInput(own.gpuClass, demand.countedMicroUsd));
    const rates = computeRates({
      policy,
      epochMs: EPOCH_MS,
      potMicroUsd: microUsd(potUsd(epoch)),
      classes,
      supply,
      rentalShares: [],
    });
    for (const rate of rates.classes) this.#reservoirs.set(rate.gpuClass, rate.reservoirMicroUsd);
    this.#epoch += 1;
    return {
      epoch,
      rates,
      revenueUsd: rented.reduce((sum, own) => sum + own.revenueUsd, 0),
      classes: rented.map((own) => this.#see(own, rates)),
    };
  }

  #letHostsDecide(hour: number): void {
    const { dice, hostDelayHours, reliabilityByDay } = this.#setting;
    const fresh = Number(reliabilityByDay[0]) / MICRO;
    for (const host of this.#hosts) {
      if (host.nextHour > hour) continue;
      if (host.state === 'coming') {
        host.state = 'in';
        host.sinceHour = hour;
      } else {
        const reliability = host.state === 'in' ? this.#reliability(host, hour) : fresh;
        const brings = this.#brings.get(host.model.gpuClass);
        const earns = brings === undefined ? host.costUsdPerHour : brings.rentUsd + brings.emissionUsd * reliability;
        if (host.state === 'in' && earns < host.costUsdPerHour * EXIT_BELOW) host.state = 'out';
        else if (host.state === 'out' && earns > host.costUsdPerHour * ENTER_ABOVE) {
          host.state = 'coming';
          host.nextHour = hour + dice.between(...ONBOARDING_HOURS);
          continue;
        }
      }
      host.nextHour = hour + dice.waiting(hostDelayHours);
    }
  }

  #reliability(host: Host, hour: number): number {
    return Number(this.#reliabilityPpm(host, hour)) / MICRO;
  }

  #reliabilityPpm(host: Host, hour: number): bigint {
    const { reliabilityByDay } = this.#setting;
    return reliabilityByDay[Math.min(Math.floor((hour - host.sinceHour) / 24), reliabilityByDay.length - 1)]!;
  }

  #supply(hour: number): SupplyLine[] {
    const present = this.#hosts.filter(({ state }) => state === 'in');
    return present.map((host) => ({
      hotkey: host.name,
      machineKey: host.name,
      gpuClass: host.model.gpuClass,
      units: BigInt(host.model.hostUnits),
      reliabilityPpm: this.#reliabilityPpm(host, hour),
      earnsBase: true,
    }));
  }

  /** Three feeds around the world's price, one of them a day behind at times, and the reserve that follows the reference. */
  #followFeeds(epoch: number): void {
    const { policy, dice, shockEpoch } = this.#setting;
    const nowMs = Math.round(epoch * EPOCH_HOURS * 3_600_000);
    for (const model of CLASSES) {
      const target =
        model.priceUsd * (shockEpoch !== null && epoch >= shockEpoch ? model.shock ** WORLD_PRICE_POWER : 1);
      const before = this.#worldPrice.get(model.gpuClass)!;
      const world = before + (target - before) * WORLD_PRICE_PER_EPOCH;
      this.#worldPrice.set(model.gpuClass, world);
      const readings = ['first', 'second', 'third'].map((source): PriceReading => ({
        source,
        gpuClass: model.gpuClass,
        microUsdPerHour: microUsd(world * (1 + 0.01 * dice.normal())),
        observedAtMs: nowMs,
      }));
      const { reference } = followFeeds(this.#references.get(model.gpuClass)!, readings, nowMs, policy);
      this.#references.set(model.gpuClass, reference);
      const own = policy.classes.find(({ gpuClass }) => gpuClass === model.gpuClass)!;
      const reserve = this.#reserves.get(model.gpuClass)!;
      this.#reserves.set(
        model.gpuClass,
        moveReserve(reserve, own, reference.microUsdPerHour, policy.reserveChangePpmPerEpoch),
      );
    }
  }

  /** Renters of one class in an epoch: a daily wave, noise that lingers, and a price that follows how tight the class is. */
  #rent(model: ModelClass, supply: readonly SupplyLine[], epoch: number): Rented {
    const { dice, shockEpoch } = this.#setting;
    const noise = 0.8 * (this.#noise.get(model.gpuClass) ?? 0) + 0.03 * dice.normal();
    this.#noise.set(model.gpuClass, noise);
    const wave = 1 + 0.1 * Math.sin((2 * Math.PI * epoch * EPOCH_HOURS) / 24);
    const shocked = shockEpoch !== null && epoch >= shockEpoch ? model.shock : 1;
    const demandUnits = Math.max(0, model.demandUnits * shocked * wave * (1 + noise));
    const supplyUnits = supply
      .filter(({ gpuClass }) => gpuClass === model.gpuClass)
      .reduce((sum, own) => sum + Number(own.units), 0);
    const usedUnits = Math.min(demandUnits, supplyUnits);
    const reference = Number(this.#references.get(model.gpuClass)!.microUsdPerHour) / MICRO;
    const tightness = supplyUnits === 0 ? 2 : demandUnits / supplyUnits;
    const fitting = Math.min(1.6, Math.max(0.7, (tightness / 0.75) ** 0.5));
    const before = this.#posted.get(model.gpuClass) ?? fitting;
    const posted = before + (fitting - before) * PRICE_PER_EPOCH;
    this.#posted.set(model.gpuClass, posted);
    const priceUsd = reference * posted;
    const revenueUsd = usedUnits * priceUsd * EPOCH_HOURS;
    const line = {
      rentalId: `${model.gpuClass} ${epoch}`,
      hotkey: 'all',
      machineKey: model.gpuClass,
      gpuClass: model.gpuClass,
      kind: 'paid' as const,
      unitMs: BigInt(Math.round(usedUnits * Number(EPOCH_MS))),
      settledMicroUsd: microUsd(revenueUsd),
      refundedMicroUsd: 0n,
    };
    return { model, demandUnits, supplyUnits, usedUnits, priceUsd, revenueUsd, line };
  }

  #feeBurn(epoch: number, revenuesUsd: readonly number[]) {
    const { policy } = this.#setting;
    const settled = revenuesUsd.reduce((sum, usd) => sum + microUsd(usd), 0n);
    const fee = (settled * policy.feePpm) / BigInt(MICRO) + 1n;
    return {
      blockHash: `block ${epoch}`,
      eventIndex: 0,
      statementRoot: `epoch ${epoch}`,
      microUsd: fee,
      finalised: true,
    };
  }

  #classInput(gpuClass: string, counted: ReadonlyMap<string, bigint>): ClassInput {
    return {
      gpuClass,
      referenceMicroUsdPerHour: this.#references.get(gpuClass)!.microUsdPerHour,
      reserveUnitsPpm: this.#reserves.get(gpuClass)!,
      reservoirMicroUsd: this.#reservoirs.get(gpuClass) ?? 0n,
      countedMicroUsd: counted.get(gpuClass) ?? 0n,
      withdrawnMicroUsd: 0n,
    };
  }

  /** What everyone can see of a class afterwards, and what a unit-hour of it brings to who thinks of coming or going. */
  #see(own: Rented, rates: EpochRates): ClassSight {
    const { gpuClass } = own.model;
    const rate = rates.classes.find((each) => each.gpuClass === gpuClass)!;
    const payPpm = basePerUnitPpm({ earnsBase: true }, rate) + demandPerUnitPpm(rate, rates);
    const reference = Number(rate.referenceMicroUsdPerHour) / MICRO;
    const payOfPrice = Number(payPpm) / MICRO;
    const used = own.supplyUnits === 0 ? 1 : own.usedUnits / own.supplyUnits;
    const keeps = 1 - Number(this.#setting.policy.feePpm) / MICRO;
    this.#brings.set(gpuClass, { rentUsd: used * own.priceUsd * keeps, emissionUsd: reference * payOfPrice });
    const lines = rates.lines.filter((line) => line.gpuClass === gpuClass);
    return {
      gpuClass,
      supplyUnits: own.supplyUnits,
      demandUnits: own.demandUnits,
      fill: own.demandUnits === 0 ? 1 : own.usedUnits / own.demandUnits,
      payOfPrice,
      poolUsd: Number(lines.reduce((sum, line) => sum + line.totalMicroUsd, 0n)) / MICRO,
    };
  }
}
