/** What a prover needs from hardware. `cpu` is built here; a CUDA or simulated device is another file with the same shape. */
import {
  buildTree,
  type ChallengeSizes,
  type DeviceName,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  merklePath,
  type ProverError,
  type StepKind,
} from '@celium/proof';

/** The eight digests around one answer and the Merkle path above them, as an opening carries them. */
export interface OpenedAnswer {
  digests: Uint8Array;
  path: Uint8Array;
}

/** The committed answers of one step. A device may keep them or compute them again when asked. */
export interface StepAnswers {
  root: Uint8Array;
  /** Throws a RangeError for an answer that the step does not have. */
  open(index: number): Promise<OpenedAnswer>;
}

/** One unit of hardware that answers one challenge at a time. */
export interface Device {
  readonly name: DeviceName;
  /** Fills the memory from the seed. Throws `DeviceRefusal` when the sizes cannot be met. */
  fill(sizes: ChallengeSizes, seed: Uint8Array): Promise<void>;
  /** Does one step of the chain over the filled memory; `q` is the 32-byte chain value before it. */
  runStep(kind: StepKind, q: Uint8Array): Promise<StepAnswers>;
  /** Left out where this hardware cannot be one of a pair. */
  readonly pairs?: PairSide<StepAnswers>;
  close(): Promise<void>;
}

/** The other memory of a pair. */
export interface PeerMemory {
  /** Lowercase hex; what the device that shares it was given. */
  token: string;
  leaves: number;
  /** Answers of one step of the pair's chain. */
  answers: number;
}

/** What a device does as one of a pair. */
export interface PairSide<Answers> {
  /** Lets the device that is given this token reach the filled memory, until `close`. Throws `DeviceRefusal` where that cannot be. */
  share(token: string): Promise<void>;
  /** Reaches the memory that another device of this pod shares. Throws `DeviceRefusal` where that cannot be. */
  reach(peer: PeerMemory): Promise<void>;
  /** Does one step of the pair's chain over the own memory and the one that was reached. */
  runStep(q: Uint8Array): Promise<Answers>;
}

/** Why a device cannot take a challenge; the validator is told. */
export class DeviceRefusal extends Error {
  readonly error: Exclude<ProverError, 'device-fault'>;
  constructor(error: Exclude<ProverError, 'device-fault'>, message: string, options?: ErrorOptions) {
    super(message, options);
    this.error = error;
  }
}

/** Hardware that computes digests and leaves the trees to this program. */
export interface DigestSource {
  readonly name: DeviceName;
  fill(sizes: ChallengeSizes, seed: Uint8Array): Promise<void>;
  /** All digests of one step, 8 bytes per answer, in order. */
  digests(kind: StepKind, q: Uint8Array): Promise<Uint8Array>;
  readonly pairs?: PairSide<Uint8Array>;
  close(): Promise<void>;
}

/** A device over a source of digests: keeps every step's digests and builds the trees. */
export function treeDevice(source: DigestSource): Device {
  const { pairs } = source;
  return {
    name: source.name,
    fill: (sizes, seed) => source.fill(sizes, seed),
    runStep: async (kind, q) => committed(await source.digests(kind, q)),
    ...(pairs === undefined ? {} : { pairs: { ...pairs, runStep: async (q) => committed(await pairs.runStep(q)) } }),
    close: () => source.close(),
  };
}

function committed(digests: Uint8Array): StepAnswers {
  const tree = buildTree(digests);
  return {
    root: tree.root,
    async open(index) {
      if (index < 0 || index * DIGEST_BYTES >= digests.length) throw new RangeError(`no answer ${index}`);
      const leaf = Math.floor(index / DIGESTS_PER_MERKLE_LEAF);
      const leafBytes = DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF;
      return { digests: digests.slice(leaf * leafBytes, (leaf + 1) * leafBytes), path: merklePath(tree, leaf) };
    },
  };
}
