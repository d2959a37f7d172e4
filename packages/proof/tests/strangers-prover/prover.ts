/** A whole CGP-1 prover that a stranger wrote from README.md alone: lines in, lines out, nothing of ours imported. `main.ts` runs it on stdin and stdout. */
import { answerCount, answersOf, fillMemory, type Memory, pathOf, sha, type Sizes, treeOf } from './arithmetic.ts';

const TO_PROVER = ':cgp1v:';
const FROM_PROVER = ':cgp1p:';

interface Challenge {
  readonly seed: Uint8Array;
  readonly sizes: Sizes;
  readonly rounds: number;
  readonly pattern: readonly number[];
}

interface Step {
  readonly answers: readonly Uint8Array[];
  readonly levels: readonly (readonly Uint8Array[])[];
}

function parseChallenge(body: Uint8Array): Challenge {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let at = 33;
  const u32 = (): number => view.getUint32((at += 4) - 4, true);
  const u16 = (): number => view.getUint16((at += 2) - 2, true);
  const leaves = u32();
  const fillRounds = u16();
  const [n, k, segment, walkers] = [u32(), u32(), u32(), u32()];
  const [hops, rounds] = [u16(), u16()];
  const steps = body[at]!;
  return {
    seed: body.slice(1, 33),
    sizes: { leaves, fillRounds, n, k, segment, walkers, hops },
    rounds,
    pattern: [...body.subarray(at + 1, at + 1 + steps)],
  };
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >>> 8);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
}

/** One prover for one challenge: feed it what arrives with `receive`; it sends whole lines and calls `exit` when it is done. */
export class StrangersProver {
  readonly #send: (line: string) => void;
  readonly #exit: () => void;
  readonly #steps: Step[] = [];
  #line = '';
  #challenge: Challenge | undefined;
  #memory: Memory | undefined;

  constructor(send: (line: string) => void, exit: () => void) {
    this.#send = send;
    this.#exit = exit;
  }

  /** Says hello; call it once, as soon as the stream is open. */
  open(): void {
    this.#frame(0x81, Uint8Array.of(1, 0));
  }

  receive(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (byte !== 10 && byte !== 13) this.#line += String.fromCharCode(byte);
      else {
        const line = this.#line;
        this.#line = '';
        const start = line.lastIndexOf(TO_PROVER);
        if (start >= 0) this.#take(Buffer.from(line.slice(start + TO_PROVER.length), 'base64'));
      }
    }
  }

  #frame(type: number, ...body: readonly Uint8Array[]): void {
    const frame = Buffer.concat([Uint8Array.of(type), ...body]);
    this.#send(`${FROM_PROVER}${frame.toString('base64')}\n`);
  }

  #take(frame: Uint8Array): void {
    const body = frame.subarray(1);
    switch (frame[0]) {
      case 0x01:
        this.#challenge = parseChallenge(body);
        this.#memory = fillMemory(this.#challenge.seed, this.#challenge.sizes);
        return this.#frame(0x83);
      case 0x02:
        return this.#frame(0x82, body);
      case 0x03:
        return this.#run(body);
      case 0x04:
        return this.#openSamples(body);
      default:
        return this.#exit();
    }
  }

  #run(startNonce: Uint8Array): void {
    const { seed, sizes, rounds, pattern } = this.#challenge!;
    let q = sha('celium/cgp1/start', seed, startNonce);
    for (let step = 0; step < rounds * pattern.length; step++) {
      const code = pattern[step % pattern.length]!;
      const answerOf = answersOf(code, this.#memory!, q, sizes);
      const answers = Array.from({ length: answerCount(code, sizes) }, (_, index) => answerOf(index));
      const levels = treeOf(answers);
      const root = levels.at(-1)![0]!;
      this.#steps.push({ answers, levels });
      this.#frame(0x84, u16(step), root);
      q = sha(q, root);
    }
  }

  #openSamples(body: Uint8Array): void {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    for (let at = 0; at < body.length; at += 6) {
      const step = view.getUint16(at, true);
      const index = view.getUint32(at + 2, true);
      const { answers, levels } = this.#steps[step]!;
      const first = index - (index % 8);
      const shown = answers.slice(first, first + 8);
      this.#frame(0x85, u16(step), u32(index), ...shown, ...pathOf(levels, index));
    }
  }
}
