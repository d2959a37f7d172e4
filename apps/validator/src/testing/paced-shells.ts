/**
 * Shells whose provers are simulated devices on a virtual clock: they take the time that their work takes and share it with whoever else uses
 * the device. Their answers are invented, so nothing but times can be learnt from them.
 */

import {
  chainWorkUnits,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  encodeLine,
  encodeProverFrame,
  lineReader,
  parseValidatorFrame,
  proofParams,
  PROTOCOL_VERSION,
  stepCount,
  type ProverFrame,
  type ValidatorFrame,
} from '@celium/proof';
import type { Shell, ShellConnection, ShellPort, ShellTarget, ValidatorClock } from '../ports.ts';
import { hashOfHostKeyLine } from '../shell/ssh-shell.ts';

/** One device: whoever works on it waits for what others brought before. */
export class PacedDevice {
  readonly #clock: ValidatorClock;
  readonly #unitsPerSecond: number;
  #freeAtMs = 0;

  constructor(clock: ValidatorClock, unitsPerSecond: number) {
    this.#clock = clock;
    this.#unitsPerSecond = unitsPerSecond;
  }

  /** Calls `done` when `units` of work are done. */
  work(units: number, done: () => void): void {
    const fromMs = Math.max(this.#clock.nowMs(), this.#freeAtMs);
    this.#freeAtMs = fromMs + (units / this.#unitsPerSecond) * 1000;
    this.#clock.setTimer(this.#freeAtMs - this.#clock.nowMs(), done);
  }
}

export interface PacedShellOptions {
  deviceOf: (target: ShellTarget) => PacedDevice;
  /** From the login to the prover's greeting. */
  greetAfterMs?: (target: ShellTarget) => number;
  /** Called when a challenge's chain is started. */
  onStart?: (target: ShellTarget) => void;
}

const PARAMS = proofParams('micro', 'onboarding');
const STEP_UNITS = chainWorkUnits(PARAMS) / stepCount(PARAMS);
const ONE_WAY_MS = 1;
const ROOT = new Uint8Array(32).fill(7);
const LEAF = new Uint8Array(DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF);

/** Shells of simulated devices at micro size. */
export function createPacedShells(clock: ValidatorClock, options: PacedShellOptions): ShellPort {
  return {
    newClientKey: () => ({ publicLine: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZpeHR1cmU', privateKey: '' }),
    async connect(target) {
      const connection: ShellConnection = {
        hostKeyHash: hashOfHostKeyLine(target.hostKey),
        openShell: async () => pacedShell(clock, options, target),
        close: () => {},
      };
      return connection;
    },
  };
}

function pacedShell(clock: ValidatorClock, options: PacedShellOptions, target: ShellTarget): Shell {
  const encoder = new TextEncoder();
  const read = lineReader('validator');
  let listener: (chunk: Uint8Array) => void = () => {};
  const send = (...frames: ProverFrame[]): void => {
    const text = frames.map((frame) => encodeLine('prover', encodeProverFrame(frame))).join('');
    clock.setTimer(ONE_WAY_MS, () => listener(encoder.encode(text)));
  };
  const device = options.deviceOf(target);

  function take(frame: ValidatorFrame): void {
    if (frame.type === 'ping') send({ type: 'pong', token: frame.token });
    else if (frame.type === 'challenge') send({ type: 'filled' });
    else if (frame.type === 'share' || frame.type === 'pair') send({ type: 'error', error: 'no-peer' });
    else if (frame.type === 'start') {
      options.onStart?.(target);
      runChain(0);
    } else if (frame.type === 'open')
      send(
        ...frame.samples.map(
          ({ step, index }) => ({ type: 'opening', step, index, digests: LEAF, path: new Uint8Array(32) }) as const,
        ),
      );
  }

  function runChain(step: number): void {
    if (step === stepCount(PARAMS)) return;
    device.work(STEP_UNITS, () => {
      send({ type: 'root', step, root: ROOT });
      runChain(step + 1);
    });
  }

  return {
    write(text) {
      for (const event of read(encoder.encode(text))) {
        const frame = event.kind === 'frame' ? parseValidatorFrame(event.frame) : null;
        if (frame !== null) clock.setTimer(ONE_WAY_MS, () => take(frame));
      }
    },
    onData(receiver) {
      listener = receiver;
      const afterMs = options.greetAfterMs?.(target) ?? 0;
      clock.setTimer(afterMs, () => send({ type: 'hello', version: PROTOCOL_VERSION, device: 'cpu' }));
    },
    onClose: () => {},
    close: () => void (listener = () => {}),
  };
}
