/** The pod's side of a machine session: writes and reads the disk, opens ports, shows bytes of files, as its validator asks. */
import { open } from 'node:fs/promises';
import {
  diskHopDigest,
  encodeLine,
  encodeMachineFrame,
  FILE_BYTES_PER_FRAME,
  lineReader,
  MACHINE_SESSION_VERSION,
  type MachineAnswer,
  type MachineAsk,
  type MachineFault,
  nextDiskBlock,
  parseMachineAsk,
} from '@celium/proof';
import type { ProverStream, SessionEnd } from '../session.ts';
import type { PodDisk } from './disk.ts';
import { openResponder } from './responder.ts';

/** What a session works with; a dishonest pod stands in for parts of it in tests. */
export interface MachineParts {
  disk: PodDisk;
  openPorts(secret: Uint8Array, ports: readonly number[]): ReturnType<typeof openResponder>;
  /** Bytes of a file; fewer at its end. Rejects when there is none. */
  readFile(path: string, offset: number, length: number): Promise<Uint8Array>;
}

/** The parts of an honest pod around its disk. */
export function honestParts(disk: PodDisk): MachineParts {
  return { disk, openPorts: (secret, ports) => openResponder(secret, ports), readFile };
}

/** Serves one validator until it ends the session or the stream breaks off. */
export async function serveMachine(stream: ProverStream, parts: MachineParts): Promise<SessionEnd> {
  const send = (answer: MachineAnswer): void => stream.write(encodeLine('machine-pod', encodeMachineFrame(answer)));
  const refuse = (what: MachineFault): void => send({ type: 'fault', what });
  const read = lineReader('machine-validator');
  let blocks = 0;
  let closePorts = (): void => {};

  async function perform(ask: Exclude<MachineAsk, { type: 'end' }>): Promise<void> {
    if (ask.type === 'write') {
      const written = await parts.disk.write(ask).catch(() => null);
      if (written === null) return refuse('disk');
      blocks = written.blocks;
      send({ type: 'wrote', ...written });
    } else if (ask.type === 'walk') {
      if (blocks === 0) return refuse('refused');
      await walk(ask.nonce, ask.hops, blocks, parts.disk, send).catch(() => refuse('disk'));
    } else if (ask.type === 'listen') {
      closePorts();
      const opened = await parts.openPorts(ask.secret, ask.ports);
      closePorts = opened.close;
      send({ type: 'listening', ports: opened.ports });
    } else await sendFile(ask, parts, send).catch(() => refuse('file'));
  }

  const ended = await new Promise<SessionEnd>((resolve) => {
    let work = Promise.resolve();
    stream.onData((chunk) => {
      for (const event of read(chunk)) {
        const ask = event.kind === 'frame' ? parseMachineAsk(event.frame) : null;
        if (ask?.type === 'end') resolve('ended');
        else work = work.then(() => (ask === null ? refuse('refused') : perform(ask)));
      }
    });
    stream.onEnd(() => resolve('closed'));
    send({ type: 'hello', version: MACHINE_SESSION_VERSION });
  });
  closePorts();
  parts.disk.close();
  return ended;
}

/** Each answer chooses the next block, so no read can be asked for ahead. */
async function walk(
  nonce: Uint8Array,
  hops: number,
  blocks: number,
  disk: PodDisk,
  send: (answer: MachineAnswer) => void,
): Promise<void> {
  let digest: Uint8Array | null = null;
  for (let hop = 0; hop < hops; hop++) {
    digest = diskHopDigest(nonce, hop, await disk.read(nextDiskBlock(nonce, digest, blocks)));
    send({ type: 'hop', digest });
  }
}

async function sendFile(
  { path, offset, length }: Extract<MachineAsk, { type: 'read' }>,
  parts: MachineParts,
  send: (answer: MachineAnswer) => void,
): Promise<void> {
  const bytes = await parts.readFile(path, offset, length);
  if (bytes.length !== length) throw new Error('the file is shorter');
  for (let at = 0; at < length; at += FILE_BYTES_PER_FRAME)
    send({ type: 'bytes', at, data: bytes.subarray(at, at + FILE_BYTES_PER_FRAME) });
}

async function readFile(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await file.read(bytes, 0, length, offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
