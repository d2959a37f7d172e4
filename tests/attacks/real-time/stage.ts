/** One host that plays a family's attacks: its machine on a ground, the programs that help it, and the same machine behaving honestly for comparison. */
import { join } from 'node:path';
import type { Cheat } from '../../../apps/prover/build.ts';
import { startProgram, type Program } from '../../process.ts';
import { ROOT } from '../../world.ts';
import { addTallies, emptyTally, type Tally } from '../family.ts';
import { Ground, type CheckOptions } from './ground.ts';
import { LEAST_RATE, type Machine, type MachineOptions } from './machine.ts';
import { honestTally, tallyOf, type CheckOutcome } from './outcome.ts';

const PROGRAMS = 'tests/attacks/real-time/programs';
/** A visit that the validator calls void, busy or unreachable says nothing about an attack, and is made again. */
const MAX_VISITS = 3;
/** The share of the rate measured last that a machine declares where time is at issue: an honest one may be slower by 45 % and passes. */
const DECLARED_SHARE = 0.75;

/** What the prover in the pods is. */
export interface Tools {
  cheat?: Cheat;
  settings?: Record<string, number>;
}

/** A ground with one machine or two, and whatever their owner runs beside them. */
export class Stage {
  readonly ground: Ground;
  readonly machines: readonly Machine[];
  readonly #programs: Program[] = [];
  /** What the host did last as an honest machine, work units per second; 0 before it was measured. */
  #measuredRate = 0;

  private constructor(ground: Ground, machines: readonly Machine[]) {
    this.ground = ground;
    this.machines = machines;
  }

  /** Opens a ground with these machines. */
  static async open(...machines: Array<Partial<MachineOptions>>): Promise<Stage> {
    const ground = await Ground.open();
    try {
      const started: Machine[] = [];
      for (const [i, options] of (machines.length === 0 ? [{}] : machines).entries())
        started.push(await ground.addMachine({ name: `machine-${i}`, declaredWorkPerSecond: LEAST_RATE, ...options }));
      return new Stage(ground, started);
    } catch (fault) {
      await ground.close();
      throw fault;
    }
  }

  /** Starts a program of the host's owner; it ends with the stage, or sooner by its handle. */
  async start(name: string, args: readonly string[], within: string[] = []): Promise<Program> {
    const program = await startProgram({ entry: `${PROGRAMS}/${name}.ts`, args: [...args], within, cwd: ROOT });
    this.#programs.push(program);
    return program;
  }

  /** Checks every machine once with these tools at this declared rate. */
  async check(tools: Tools, rate = LEAST_RATE, options: CheckOptions = {}): Promise<CheckOutcome[]> {
    const folder = await this.ground.tools.folder(tools.cheat, tools.settings);
    return await this.checkWith(folder, rate, options);
  }

  /** The same with a tools folder that is there already. */
  async checkWith(folder: string, rate = LEAST_RATE, options: CheckOptions = {}): Promise<CheckOutcome[]> {
    for (const machine of this.machines) {
      await machine.useTools(folder);
      await machine.declare(rate);
    }
    for (let visits = 1; ; visits += 1) {
      const outcomes = await this.ground.check(options);
      const judged = outcomes.every(({ verdict }) => !['void', 'busy', 'unreachable'].includes(verdict));
      if (judged || visits >= MAX_VISITS) return outcomes;
    }
  }

  /** One try of an attack on content, where time is not at issue. */
  async attempt(tools: Tools, expected: readonly string[]): Promise<Tally> {
    return sum(await this.check(tools), (outcome) => tallyOf(outcome, expected));
  }

  /** The machine with the prover that it should have, where time is not at issue. */
  async honest(): Promise<Tally> {
    return sum(await this.check({}), honestTally);
  }

  /** One try of an attack on time: the machine declares what it did when it was honest a moment ago. */
  async attemptInTime(tools: Tools, expected: readonly string[]): Promise<Tally> {
    const folder = await this.ground.tools.folder(tools.cheat, tools.settings);
    return await this.attemptWithInTime(folder, expected);
  }

  /** The same with a tools folder that is there already. */
  async attemptWithInTime(folder: string, expected: readonly string[]): Promise<Tally> {
    const outcomes = await this.checkWith(folder, await this.declaredRate());
    return sum(outcomes, (outcome) => tallyOf(outcome, expected));
  }

  /** The honest machine under the terms of an attack on time; its speed counts for the tries that follow. */
  async honestInTime(): Promise<Tally> {
    const outcomes = await this.check({}, await this.declaredRate());
    this.#notePace(outcomes);
    return sum(outcomes, honestTally);
  }

  /** Work units per second of the last honest check. */
  async pace(): Promise<number> {
    if (this.#measuredRate === 0) this.#notePace(await this.check({}));
    return this.#measuredRate;
  }

  /** What a machine declares where time is at issue. */
  async declaredRate(): Promise<number> {
    return Math.round((await this.pace()) * DECLARED_SHARE);
  }

  async close(): Promise<void> {
    for (const program of this.#programs) await program.end();
    await this.ground.close();
  }

  /** A path for a file of the owner's, gone with the stage. */
  path(name: string): string {
    return join(this.ground.folder, name);
  }

  #notePace(outcomes: readonly CheckOutcome[]): void {
    const rates = outcomes.map(({ measuredRate }) => measuredRate).filter((rate) => rate > 0);
    if (rates.length > 0) this.#measuredRate = Math.min(...rates);
    if (this.#measuredRate === 0) throw new Error(`an honest machine has no pace: ${JSON.stringify(outcomes)}`);
  }
}

/** The tallies of all outcomes, added up. */
function sum(outcomes: readonly CheckOutcome[], tally: (outcome: CheckOutcome) => Tally): Tally {
  return outcomes.map(tally).reduce(addTallies, emptyTally());
}
