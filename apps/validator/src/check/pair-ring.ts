/** The pairs of a machine after its barrier: every unit that has answered waits here, still filled, until all have; then each is measured with its neighbour, in rounds. */

import { pairRounds, type UnitPair } from '@celium/domain';
import { Barrier, type FilledProver, type PairResult, pairPlan, runPair, type ProofParams } from '@celium/proof';
import type { LagMeter, RandomBytes } from '../ports.ts';

/** What a ring needs from outside. */
export interface RingPorts {
  randomBytes: RandomBytes;
  lag: LagMeter;
}

/** What came of one pair. */
export interface PairAnswer {
  result: PairResult;
  /** The longest stall of our event loop in its round: it can only have made the pair look slower. */
  lagMs: number;
}

/** The ring of one run. It begins when every unit has come, and never when one leaves. */
export class PairRing {
  /** By the unit that led. */
  readonly answers = new Map<string, PairAnswer>();
  readonly #ports: RingPorts;
  readonly #rounds: UnitPair[][];
  readonly #all: Barrier;
  readonly #filled = new Map<string, FilledProver>();
  readonly #units: number;
  #measuring: Promise<void> | undefined;

  constructor(ports: RingPorts, units: readonly string[]) {
    this.#ports = ports;
    this.#rounds = pairRounds(units);
    this.#all = new Barrier(units.length);
    this.#units = units.length;
  }

  /** A unit has answered and is still filled. Resolves when the ring is over. Never rejects for what provers do. */
  async join(unit: string, prover: FilledProver): Promise<void> {
    this.#filled.set(unit, prover);
    await this.#all.arrive();
    if (this.#filled.size < this.#units) return;
    this.#measuring ??= this.#measure();
    await this.#measuring;
  }

  /** A unit is not coming: its machine is not measured. */
  leave(): void {
    this.#all.leave();
  }

  async #measure(): Promise<void> {
    for (const round of this.#rounds) {
      const start = new Barrier(round.length);
      await Promise.all(round.map((pair) => this.#measurePair(pair, start)));
    }
  }

  /** All pairs of a round start together, so that they share what the host could help with. */
  async #measurePair({ lead, peer }: UnitPair, start: Barrier): Promise<void> {
    const lag = this.#ports.lag.start();
    let arrived = false;
    const result = await runPair({
      lead: this.#filled.get(lead)!,
      peer: this.#filled.get(peer)!,
      randomBytes: this.#ports.randomBytes,
      beforeStart: () => {
        arrived = true;
        return start.arrive();
      },
    });
    if (!arrived) start.leave();
    const lagMs = Math.round(lag.stop());
    if (result !== null) this.answers.set(lead, { result, lagMs });
  }
}

/** Whether a machine has pairs to show: all of its units in the run, and every neighbour of a class with links. */
export function hasRing(units: readonly string[], paramsOf: (unit: string) => ProofParams): boolean {
  const pairs = pairRounds(units).flat();
  return pairs.length > 0 && pairs.every(({ lead, peer }) => pairPlan(paramsOf(lead), paramsOf(peer)) !== null);
}
