/** The programs of a demo: started, remembered on disk, and ended in the opposite order. */

import { createWriteStream, mkdirSync, rmSync, writeFileSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { CeliumError, type ProgressEvent } from '@celium/contract';
import type { ProgramName } from '../programs/entries.ts';
import { startProgram, type Program, type ReadyFields } from '../programs/program.ts';
import { LOGS_FOLDER } from './forget.ts';
import { LEFTOVER_FILE, type DemoRecord } from './leftovers.ts';

export interface StartedProgram {
  program: Program;
  ready: ReadyFields;
}

/** Holds what runs. Every program logs to `<state>/logs/<name>.log`. */
export class Stage {
  readonly #state: string;
  readonly #programs: Program[] = [];
  readonly #logs: WriteStream[] = [];
  #machineKey: string | null = null;
  #socket: string | null = null;
  #ending = false;
  /** Called when a program ends that nobody asked to end. */
  onDeath: (program: Program) => void = () => {};

  constructor(state: string) {
    this.#state = state;
    mkdirSync(join(state, LOGS_FOLDER), { recursive: true, mode: 0o755 });
    this.#remember();
    process.on('exit', this.#abandon);
  }

  /** When this process ends in any other way (a closed pipe, a second Ctrl-C) its programs end too; the next demo clears up the rest. */
  readonly #abandon = (): void => {
    for (const program of this.#programs) program.signal('SIGTERM');
  };

  /** Starts a program and waits until it is ready. Throws its own error. */
  async start(
    name: ProgramName,
    args: readonly string[],
    onEvent: (event: ProgressEvent) => void = () => {},
  ): Promise<StartedProgram> {
    // A set-up that was interrupted may still come this far: nothing is started once the end has begun.
    if (this.#ending) throw new CeliumError('USAGE', 'The demo is ending.');
    const log = createWriteStream(join(this.#state, LOGS_FOLDER, `${name}.log`), { flags: 'a' });
    this.#logs.push(log);
    const program = startProgram(name, {
      args,
      ownGroup: true,
      onEvent: (event) => {
        log.write(`${JSON.stringify(event)}\n`);
        onEvent(event);
      },
      onLine: (line) => void log.write(`${line}\n`),
    });
    this.#programs.push(program);
    this.#remember();
    const ready = await program.ready;
    void program.ended.then(() => {
      if (!this.#ending) this.onDeath(program);
    });
    return { program, ready };
  }

  /** Remembers whose containers to remove should this process be killed. */
  rememberMachine(machineKey: string, socket: string): void {
    this.#machineKey = machineKey;
    this.#socket = socket;
    this.#remember();
  }

  /** Ends everything: last started, first ended; each gets its time to end cleanly. */
  async end(): Promise<void> {
    this.#ending = true;
    for (const program of this.#programs.toReversed()) await program.stop();
    await Promise.all(this.#logs.map((log) => new Promise<void>((resolve) => log.end(resolve))));
    rmSync(join(this.#state, LEFTOVER_FILE), { force: true });
    process.off('exit', this.#abandon);
  }

  #remember(): void {
    const record: DemoRecord = {
      pid: process.pid,
      programs: this.#programs.filter((program) => program.pid > 0).map(({ name, pid }) => ({ name, pid })),
      machineKey: this.#machineKey,
      socket: this.#socket,
    };
    writeFileSync(join(this.#state, LEFTOVER_FILE), JSON.stringify(record), { mode: 0o600 });
  }
}
