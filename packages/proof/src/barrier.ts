/** The moment at which all units of a machine start together: whoever is ready waits until every other is ready or out. */

/** A barrier for `members` participants, each of which arrives or leaves once. */
export class Barrier {
  #missing: number;
  readonly #waiting: Array<() => void> = [];

  constructor(members: number) {
    this.#missing = members;
  }

  /** Resolves when the last one has arrived or left. */
  arrive(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.leave();
    });
  }

  /** Is not coming (any more). */
  leave(): void {
    this.#missing -= 1;
    if (this.#missing <= 0) for (const wake of this.#waiting.splice(0)) wake();
  }
}
