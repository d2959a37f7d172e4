/**
 * A machine somewhere else, and provers that stand on it: it answers every challenge that is handed to it, over a socket that pods reach or over TCP.
 * `--mode`: `honest` works on each challenge; `share` works on the first of two and gives its answers for both; `replay` works on the first ever and
 * repeats its answers; `splice` works on the first two and answers all others with the first half of one and the second half of the other.
 */
import { createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { cpuDigests } from '../../../../apps/prover/src/cpu/device.ts';
import { serveWorker } from '../../../../apps/prover/src/cpu/worker.ts';
import { type Device, type StepAnswers, treeDevice } from '../../../../apps/prover/src/device.ts';
import { type ProverStream, serveSession } from '../../../../apps/prover/src/session.ts';

const MODES = ['honest', 'share', 'replay', 'splice'] as const;
type Mode = (typeof MODES)[number];

/** How many sessions of each mode are worked on before answers are reused. */
const WORKED: Record<Mode, number> = { honest: Infinity, share: 1, replay: 1, splice: 2 };

/** One chain of answers: given out as soon as they are known, in order. */
class Answers {
  readonly #steps: Array<PromiseWithResolvers<StepAnswers>> = [];
  readonly filled = Promise.withResolvers<void>();

  step(index: number): PromiseWithResolvers<StepAnswers> {
    while (this.#steps.length <= index) this.#steps.push(Promise.withResolvers<StepAnswers>());
    return this.#steps[index]!;
  }
}

const kept: Answers[] = [];

/** Works on a challenge, and keeps what comes out. */
function workingDevice(answers: Answers): Device {
  const honest = treeDevice(cpuDigests({ workerUrl: new URL(import.meta.url) }));
  let step = 0;
  return {
    ...honest,
    async fill(sizes, seed) {
      await honest.fill(sizes, seed);
      answers.filled.resolve();
    },
    async runStep(kind, q) {
      const answered = await honest.runStep(kind, q);
      answers.step(step).resolve(answered);
      step += 1;
      return answered;
    },
  };
}

/** Answers with what was worked out for other challenges. */
function idleDevice(pick: (step: number, steps: number) => Answers): Device {
  let step = 0;
  let steps = 0;
  return {
    name: 'cpu',
    async fill(sizes) {
      steps = sizes.pattern.length * sizes.rounds;
      await pick(0, steps).filled.promise;
    },
    async runStep() {
      step += 1;
      return await pick(step - 1, steps).step(step - 1).promise;
    },
    async close() {},
  };
}

function deviceOf(mode: Mode, session: number): Device {
  const turn = mode === 'share' ? session % 2 : session;
  if (turn < WORKED[mode]) {
    const answers = new Answers();
    if (mode !== 'honest') kept.push(answers);
    return workingDevice(answers);
  }
  if (mode === 'splice') return idleDevice((step, steps) => kept[step * 2 < steps ? 0 : 1]!);
  return idleDevice(() => kept.at(-1)!);
}

function streamOf(socket: Socket): ProverStream {
  return {
    write: (text) => void socket.write(text),
    onData: (listener) => void socket.on('data', listener),
    onEnd: (listener) => void socket.on('close', listener),
  };
}

function main(): void {
  const { values } = parseArgs({
    options: {
      mode: { type: 'string' },
      socket: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
    },
  });
  const mode = MODES.find((known) => known === values.mode) ?? 'honest';
  let sessions = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    const device = deviceOf(mode, sessions);
    sessions += 1;
    socket.on('error', () => {});
    void serveSession(streamOf(socket), device).finally(async () => {
      socket.end();
      await device.close();
    });
  });
  const ready = (): void => console.log(JSON.stringify({ event: 'ready', pid: process.pid }));
  if (values.socket === undefined) server.listen(Number(values.port), values.host, ready);
  else server.listen(values.socket, ready);
}

if (isMainThread) main();
else serveWorker();
