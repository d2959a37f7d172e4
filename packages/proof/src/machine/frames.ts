/** What validator and pod say in a machine session: small JSON frames, and binary ones for the bytes of files. Strict on both sides. */
import { concatBytes, fromHex, readU32, toHex, u32Bytes, utf8 } from '../bytes.ts';
import { MAX_FRAME_BYTES } from '../lines.ts';

/** Version that the pod's `hello` names. */
export const MACHINE_SESSION_VERSION = 1;

/** What one session may ask for at most. */
export const MACHINE_LIMITS = {
  blocks: 2 ** 31,
  passes: 65_536,
  hops: 1_024,
  ports: 16,
  readBytes: 1_048_576,
  pathBytes: 1_024,
  writeMs: 15 * 60_000,
} as const;

/** From the validator to the pod. */
export type MachineAsk =
  /** Write disk blocks 0 .. blocks - 1 under `key`, as many as go within `limitMs`. */
  | { type: 'write'; key: Uint8Array; blocks: number; passes: number; limitMs: number }
  /** Read `hops` blocks of those written, each chosen by the answer before. */
  | { type: 'walk'; nonce: Uint8Array; hops: number }
  /** Listen on these ports of the pod and answer whoever knows `secret`. */
  | { type: 'listen'; secret: Uint8Array; ports: number[] }
  /** Send bytes of a file. */
  | { type: 'read'; path: string; offset: number; length: number }
  | { type: 'end' };

/** From the pod to the validator. */
export type MachineAnswer =
  | { type: 'hello'; version: number }
  /** How many blocks are on disk; `full` when the disk took no more. */
  | { type: 'wrote'; blocks: number; full: boolean }
  | { type: 'hop'; digest: Uint8Array }
  | { type: 'listening'; ports: number[] }
  /** Bytes of the file that was asked for, in order. */
  | { type: 'bytes'; at: number; data: Uint8Array }
  | { type: 'fault'; what: MachineFault };

export const MACHINE_FAULTS = ['disk', 'ports', 'file', 'refused'] as const;
export type MachineFault = (typeof MACHINE_FAULTS)[number];

/** File bytes in one frame: behind the type and the position. */
export const FILE_BYTES_PER_FRAME = MAX_FRAME_BYTES - 5;
const BYTES_FRAME = 1;

/** A frame's bytes. */
export function encodeMachineFrame(frame: MachineAsk | MachineAnswer): Uint8Array {
  if (frame.type === 'bytes') return concatBytes(Uint8Array.of(BYTES_FRAME), u32Bytes(frame.at), frame.data);
  // Member by member: an array of bytes that knows how to be JSON (Node's Buffer) would be so before a replacer sees it.
  const members = Object.entries(frame).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? toHex(value) : (value as unknown),
  ]);
  return utf8(JSON.stringify(Object.fromEntries(members)));
}

/** Reads what a validator asks; null for anything that this version does not know or allow. */
export function parseMachineAsk(bytes: Uint8Array): MachineAsk | null {
  const json = readJson(bytes);
  if (json === null) return null;
  switch (json['type']) {
    case 'write': {
      const key = bytes32(json['key']);
      const { blocks, passes, limitMs } = json;
      const fits =
        within(blocks, 1, MACHINE_LIMITS.blocks) &&
        within(passes, 0, MACHINE_LIMITS.passes) &&
        within(limitMs, 1, MACHINE_LIMITS.writeMs);
      return key !== null && fits ? { type: 'write', key, blocks, passes, limitMs } : null;
    }
    case 'walk': {
      const nonce = bytes32(json['nonce']);
      const { hops } = json;
      return nonce !== null && within(hops, 1, MACHINE_LIMITS.hops) ? { type: 'walk', nonce, hops } : null;
    }
    case 'listen': {
      const secret = bytes32(json['secret']);
      const ports = portList(json['ports']);
      return secret !== null && ports !== null ? { type: 'listen', secret, ports } : null;
    }
    case 'read': {
      const { path, offset, length } = json;
      const named = typeof path === 'string' && path.startsWith('/') && path.length <= MACHINE_LIMITS.pathBytes;
      const sized = within(offset, 0, Number.MAX_SAFE_INTEGER) && within(length, 1, MACHINE_LIMITS.readBytes);
      return named && sized ? { type: 'read', path, offset, length } : null;
    }
    case 'end':
      return { type: 'end' };
    default:
      return null;
  }
}

/** Reads what a pod answers; null for anything malformed. Nothing of it is to be believed. */
export function parseMachineAnswer(bytes: Uint8Array): MachineAnswer | null {
  if (bytes[0] === BYTES_FRAME)
    return bytes.length > 5 ? { type: 'bytes', at: readU32(bytes, 1), data: bytes.slice(5) } : null;
  const json = readJson(bytes);
  if (json === null) return null;
  switch (json['type']) {
    case 'hello':
      return within(json['version'], 1, 65_535) ? { type: 'hello', version: json['version'] } : null;
    case 'wrote': {
      const { blocks, full } = json;
      return within(blocks, 0, MACHINE_LIMITS.blocks) && typeof full === 'boolean'
        ? { type: 'wrote', blocks, full }
        : null;
    }
    case 'hop': {
      const digest = bytes32(json['digest']);
      return digest === null ? null : { type: 'hop', digest };
    }
    case 'listening': {
      const ports = portList(json['ports']);
      return ports === null ? null : { type: 'listening', ports };
    }
    case 'fault': {
      const what = MACHINE_FAULTS.find((name) => name === json['what']);
      return what === undefined ? null : { type: 'fault', what };
    }
    default:
      return null;
  }
}

function readJson(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function bytes32(value: unknown): Uint8Array | null {
  return typeof value === 'string' && value.length === 64 ? fromHex(value) : null;
}

function within(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most;
}

function portList(value: unknown): number[] | null {
  if (!Array.isArray(value) || value.length > MACHINE_LIMITS.ports) return null;
  return value.every((port) => within(port, 1, 65_535)) ? (value as number[]) : null;
}
