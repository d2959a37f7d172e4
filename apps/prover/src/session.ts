/** The prover's side of the conversation: frames in, frames out, the device in between. Probes are answered at once, also during work. */
import {
  type ChallengeSizes,
  encodeLine,
  encodeProverFrame,
  lineReader,
  nextChainValue,
  type PairRequest,
  parseValidatorFrame,
  type ProverFrame,
  PROTOCOL_VERSION,
  type Sample,
  startChain,
  startPairChain,
  toHex,
  type ValidatorFrame,
} from '@celium/proof';
import { type Device, DeviceRefusal, type PairSide, type StepAnswers } from './device.ts';

/** The stream to the validator. */
export interface ProverStream {
  write(text: string): void;
  onData(listener: (chunk: Uint8Array) => void): void;
  onEnd(listener: () => void): void;
}

/** How a session ended: the validator said so, the stream broke off, or the device could not go on. */
export type SessionEnd = 'ended' | 'closed' | 'failed';

/** Samples that one challenge may have opened in all; bounds what a hostile validator can make us send. */
const MAX_SAMPLES = 4096;

/** Serves one validator until it ends the session. */
export function serveSession(stream: ProverStream, device: Device): Promise<SessionEnd> {
  const read = lineReader('validator');
  const send = (frame: ProverFrame): void => stream.write(encodeLine('prover', encodeProverFrame(frame)));
  let work: Promise<void> = Promise.resolve();
  let challenge: { sizes: ChallengeSizes; seed: Uint8Array } | null = null;
  let pair: PairRequest | null = null;
  let answers: StepAnswers[] = [];
  let opened = 0;

  return new Promise((resolve) => {
    async function perform(frame: ValidatorFrame): Promise<void> {
      if (frame.type === 'challenge') {
        challenge = { sizes: frame.sizes, seed: frame.seed };
        await device.fill(frame.sizes, frame.seed);
        send({ type: 'filled' });
      } else if (frame.type === 'start' && challenge !== null) {
        answers =
          pair === null
            ? await runChain(device, challenge, frame.nonce, send)
            : await runPairChain(device, challenge.seed, pair, frame.nonce, send);
      } else if (frame.type === 'share' && challenge !== null) {
        await pairSideOf(device).share(toHex(frame.token));
        send({ type: 'shared' });
      } else if (frame.type === 'pair' && challenge !== null) {
        const { token, peerLeaves, answers: count } = frame;
        await pairSideOf(device).reach({ token: toHex(token), leaves: peerLeaves, answers: count });
        pair = frame;
        send({ type: 'paired' });
      } else if (frame.type === 'open') {
        opened += frame.samples.length;
        if (opened > MAX_SAMPLES) throw new DeviceRefusal('refused-challenge', 'too many samples were asked for');
        await openAll(frame.samples, answers, send);
      } else {
        throw new DeviceRefusal('refused-challenge', `${frame.type} came out of order`);
      }
    }

    function fail(error: unknown): void {
      send({ type: 'error', error: error instanceof DeviceRefusal ? error.error : 'device-fault' });
      resolve('failed');
    }

    function take(frame: ValidatorFrame | null): void {
      if (frame === null) fail(new DeviceRefusal('refused-challenge', 'a frame that this version does not know'));
      else if (frame.type === 'ping') send({ type: 'pong', token: frame.token });
      else if (frame.type === 'end') resolve('ended');
      else work = work.then(() => perform(frame)).catch(fail);
    }

    stream.onData((chunk) => {
      for (const event of read(chunk)) take(event.kind === 'frame' ? parseValidatorFrame(event.frame) : null);
    });
    stream.onEnd(() => resolve('closed'));
    send({ type: 'hello', version: PROTOCOL_VERSION, device: device.name });
  });
}

async function runChain(
  device: Device,
  { sizes, seed }: { sizes: ChallengeSizes; seed: Uint8Array },
  startNonce: Uint8Array,
  send: (frame: ProverFrame) => void,
): Promise<StepAnswers[]> {
  const answers: StepAnswers[] = [];
  let q = startChain(seed, startNonce);
  for (let round = 0; round < sizes.rounds; round++) {
    for (const kind of sizes.pattern) {
      const step = await device.runStep(kind, q);
      send({ type: 'root', step: answers.length, root: step.root });
      answers.push(step);
      q = nextChainValue(q, step.root);
    }
  }
  return answers;
}

function pairSideOf({ pairs }: Device): PairSide<StepAnswers> {
  if (pairs === undefined) throw new DeviceRefusal('no-peer', 'this device cannot be one of a pair');
  return pairs;
}

async function runPairChain(
  device: Device,
  seed: Uint8Array,
  { peerSeed, steps }: PairRequest,
  startNonce: Uint8Array,
  send: (frame: ProverFrame) => void,
): Promise<StepAnswers[]> {
  const side = pairSideOf(device);
  const answers: StepAnswers[] = [];
  let q = startPairChain(seed, peerSeed, startNonce);
  for (let step = 0; step < steps; step++) {
    const done = await side.runStep(q);
    send({ type: 'root', step, root: done.root });
    answers.push(done);
    q = nextChainValue(q, done.root);
  }
  return answers;
}

async function openAll(
  samples: readonly Sample[],
  answers: readonly StepAnswers[],
  send: (frame: ProverFrame) => void,
): Promise<void> {
  for (const { step, index } of samples) {
    const committed = answers[step];
    if (committed === undefined) throw new DeviceRefusal('refused-challenge', `no step ${step} was done`);
    send({ type: 'opening', step, index, ...(await committed.open(index)) });
  }
}
