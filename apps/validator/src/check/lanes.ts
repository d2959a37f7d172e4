/** At most so many at a time: whoever wants a lane waits for one, first come, first served. */

/** A number of lanes. */
export class Lanes {
  #free: number;
  readonly #waiting: Array<() => void> = [];

  constructor(lanes: number) {
    this.#free = lanes;
  }

  /** How many wait for a lane. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves with the function that gives the lane back; calling it twice gives back one. */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
  }
}
