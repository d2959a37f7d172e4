/** A Bittensor node for tests: the JSON-RPC that the adapter speaks, over a real WebSocket, in SCALE by metadata of our own, with a devchain's rules behind it. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { getDynamicBuilder, getLookupFn } from '@polkadot-api/metadata-builders';
import { decAnyMetadata, unifyMetadata } from '@polkadot-api/substrate-bindings';
import { WebSocketServer, type WebSocket } from 'ws';
import { compactLength, concat, fromHex, toHex } from '../../src/keys/bytes.ts';
import type { KeyPair } from '../../src/keys/key-pair.ts';
import type { Devchain } from '../../src/devchain/devchain.ts';
import { signOperation } from '../../src/devchain/operations.ts';
import type { BlockRef } from '../../src/subnet-chain.ts';
import { extrinsicHash } from '../../src/bittensor/extrinsic.ts';
import { ownMetadata, PALLET_ERRORS, type MetadataChanges } from './own-metadata.ts';
import { readExtrinsic, type ReadExtrinsic } from './read-extrinsic.ts';
import { toDevchainCall } from './translate-call.ts';
import { answerApi, answerStorage } from './translate-state.ts';

/** Refusals that a real node gives before an extrinsic is in a block, by the code of the custom error. */
const POOL_CODES: Readonly<Record<string, number>> = {
  NotEnoughStakeToSetWeights: 1,
  SettingWeightsTooFast: 6,
  CommittingWeightsTooFast: 6,
  InvalidIpAddress: 11,
  ServingRateLimitExceeded: 12,
  InvalidPort: 13,
  NoWeightsCommitFound: 16,
  RevealTooEarly: 17,
  HotKeyNotRegisteredInSubNet: 19,
};
const TEXTS: Readonly<Record<string, string>> = {
  Stale: 'Transaction is outdated',
  Future: 'Transaction will be valid in the future',
  Payment: 'Inability to pay some fees (e.g. account balance too low)',
  BadProof: 'Transaction has a bad signature',
  AncientBirthBlock: 'Transaction has an ancient birth block',
};

/** A commit as it was sent: the devchain keeps another form of it. */
export interface KeptCommit {
  readonly hotkey: string;
  readonly block: number;
  readonly bytes: Uint8Array;
}

interface NodeBlock extends BlockRef {
  readonly parent: string;
  readonly extrinsics: readonly string[];
  readonly events: readonly unknown[];
  readonly entries: readonly Entry[];
}

/** An extrinsic and what it caused; its place is known when its block is sealed. */
interface Entry {
  readonly bytes: string;
  readonly events: readonly unknown[];
}

/** How this node misbehaves. */
export interface NodeFaults {
  /** Another genesis hash than the chain's. */
  genesisHash?: string;
  /** Answers to submissions that are lost: the connection breaks after (or, with `before`, instead of) taking them. */
  loseAnswers?: number;
  loseBefore?: number;
  /** Tells of this hash as the final one with its number. */
  lieAboutFinal?: string;
  /** From this number on its blocks are others. */
  forkedAt?: number;
  /** Shows the chain as it was so many blocks ago. */
  blocksBehind?: number;
  /** Metadata and version of a changed runtime. */
  metadata?: MetadataChanges;
  specVersion?: number;
  /** States of blocks older than so many are gone. */
  keepStates?: number;
}

/** The chain that nodes share: blocks in SCALE over a devchain that is sealed on demand. */
export class ScaleChain {
  readonly devchain: Devchain;
  readonly keyOf: (ss58: string) => KeyPair;
  readonly commits: KeptCommit[] = [];
  readonly blocks: NodeBlock[] = [];
  /** Nonces used by extrinsics that failed in a block: the devchain knows nothing of them. */
  readonly #failed = new Map<string, number[]>();
  #open: Entry[] = [];

  constructor(devchain: Devchain, keyOf: (ss58: string) => KeyPair) {
    this.devchain = devchain;
    this.keyOf = keyOf;
  }

  async begin(): Promise<void> {
    const { best } = await this.devchain.heads();
    if (best.number !== 0) throw new Error('the node begins with its chain');
    this.blocks.push({ ...best, parent: '0'.repeat(64), extrinsics: [], events: [], entries: [] });
  }

  seal(count = 1): void {
    for (let sealed = 0; sealed < count; sealed += 1) {
      const head = this.devchain.seal();
      const stamp = concat(Uint8Array.of(0x04, 2, 0), compactBig(head.timeMs));
      const inherent = `0x${toHex(concat(compactLength(stamp.length), stamp))}`;
      const parent = this.blocks.at(-1)?.hash ?? '';
      const entries = this.#open;
      const extrinsics = [inherent, ...entries.map(({ bytes }) => bytes)];
      const events = entries.flatMap((entry, index) =>
        entry.events.map((event) => ({ phase: { type: 'ApplyExtrinsic', value: index + 1 }, event, topics: [] })),
      );
      this.blocks.push({ ...head, parent, extrinsics, events, entries });
      this.#open = [];
    }
  }

  /** A fork: the newest blocks are no more, and what was in them and in the open one is lost or waits again. */
  reorg(depth: number, what: 'keep' | 'lose'): void {
    const dropped = this.blocks.splice(this.blocks.length - depth);
    this.devchain.reorg(depth, what);
    this.#open = what === 'keep' ? [...dropped.flatMap(({ entries }) => entries), ...this.#open] : [];
  }

  async nonce(ss58: string, at: 'open' | { hash: string }): Promise<number> {
    const until = at === 'open' ? Infinity : this.blocks.findIndex(({ hash }) => hash === at.hash);
    const failed = this.#failed.get(ss58)?.filter((block) => block <= until).length ?? 0;
    return (await this.devchain.account(ss58, at)).nonce + failed;
  }

  /** Takes an extrinsic into the open block, as a success or a failure, or says why the pool refuses it. */
  async take(bytes: string, extrinsic: ReadExtrinsic, dispatchInfo: unknown): Promise<string | null> {
    if (this.#open.some((entry) => entry.bytes === bytes)) return 'known';
    const { signer } = extrinsic;
    const expected = await this.nonce(signer, 'open');
    if (extrinsic.nonce !== expected) return extrinsic.nonce < expected ? 'Stale' : 'Future';
    const call = await toDevchainCall(this, extrinsic);
    const { genesisHash } = await this.devchain.identity();
    const nonce = extrinsic.nonce - (this.#failed.get(signer)?.length ?? 0);
    const operation = await signOperation(call, { nonce, genesisHash, validUntil: 9_999_999 }, this.keyOf(signer));
    const submitted = await this.devchain.submit(operation);
    const event = (pallet: string, type: string, value: unknown): unknown => ({
      type: pallet,
      value: { type, value },
    });
    if (!submitted.accepted) {
      if (submitted.error in POOL_CODES || submitted.error in TEXTS) return submitted.error;
      this.#failed.set(signer, [...(this.#failed.get(signer) ?? []), this.blocks.length]);
      const fault = PALLET_ERRORS.includes(submitted.error)
        ? { type: 'Module', value: { type: 'SubtensorModule', value: { type: submitted.error } } }
        : { type: 'Token', value: { type: submitted.error } };
      const failed = event('System', 'ExtrinsicFailed', { dispatch_error: fault, dispatch_info: dispatchInfo });
      this.#open.push({ bytes, events: [failed] });
      return null;
    }
    const moved =
      call.call === 'transfer'
        ? [event('Balances', 'Transfer', { from: signer, to: call.to, amount: call.amount })]
        : [];
    const success = event('System', 'ExtrinsicSuccess', { dispatch_info: dispatchInfo });
    this.#open.push({ bytes, events: [...moved, success] });
    return null;
  }
}

/** One node of the chain, at its own port. */
export class ScaleNode {
  readonly chain: ScaleChain;
  readonly faults: NodeFaults;
  /** With `sealing`, each question for the final head seals a block first: time passes by asking. */
  readonly sealing: boolean;
  /** How often each method was asked. */
  readonly asked = new Map<string, number>();
  readonly #server: WebSocketServer;
  readonly #metadata: Uint8Array;
  readonly builder: ReturnType<typeof getDynamicBuilder>;

  private constructor(chain: ScaleChain, server: WebSocketServer, faults: NodeFaults, sealing: boolean) {
    this.chain = chain;
    this.faults = faults;
    this.sealing = sealing;
    this.#server = server;
    this.#metadata = ownMetadata(faults.metadata);
    this.builder = getDynamicBuilder(getLookupFn(unifyMetadata(decAnyMetadata(this.#metadata))));
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(chain: ScaleChain, faults: NodeFaults = {}, sealing = true): Promise<ScaleNode> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    return new ScaleNode(chain, server, faults, sealing);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every connection; new ones are taken. */
  breakConnections(): void {
    for (const socket of this.#server.clients) socket.terminate();
  }

  async stop(): Promise<void> {
    this.breakConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: WebSocket): void {
    socket.on('message', (data: Buffer) => {
      const { id, method, params } = JSON.parse(data.toString()) as { id: number; method: string; params: unknown[] };
      this.asked.set(method, (this.asked.get(method) ?? 0) + 1);
      this.#answer(method, params)
        .then((result) => {
          if (result !== LOST) socket.send(JSON.stringify({ jsonrpc: '2.0', id, result }));
          else socket.terminate();
        })
        .catch((error: unknown) => {
          const refusal =
            error instanceof NodeRefusal ? error : new NodeRefusal(-32_000, `Client error: ${String(error)}`);
          const { code, message, data: detail } = refusal;
          socket.send(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, data: detail } }));
        });
    });
  }

  async #answer(method: string, params: unknown[]): Promise<unknown> {
    switch (method) {
      case 'chain_getBlockHash':
        return this.#blockHash(params[0]);
      case 'chain_getFinalizedHead': {
        if (this.sealing) this.chain.seal();
        return `0x${this.faults.lieAboutFinal ?? this.#finalHead().hash}`;
      }
      case 'chain_getHeader':
        return this.#header(this.#blockOf(params[0]));
      case 'chain_getBlock': {
        const block = this.#blockOf(params[0]);
        return { block: { header: this.#header(block), extrinsics: block.extrinsics } };
      }
      case 'state_getRuntimeVersion':
        return { specVersion: await this.#specVersion(), transactionVersion: 1 };
      case 'system_accountNextIndex':
        return this.chain.nonce(String(params[0]), 'open');
      case 'state_getStorage':
        return answerStorage(this, String(params[0]), this.#stateOf(params[1]));
      case 'state_call':
        return params[0] === 'Metadata_metadata_at_version'
          ? this.#metadataAt(String(params[1]))
          : answerApi(this, String(params[0]), String(params[1]), this.#stateOf(params[2]));
      case 'author_submitExtrinsic':
        return this.#submit(String(params[0]));
      default:
        throw new NodeRefusal(-32_601, 'Method not found');
    }
  }

  async #submit(bytes: string): Promise<unknown> {
    if ((this.faults.loseBefore ?? 0) > 0) {
      this.faults.loseBefore = (this.faults.loseBefore ?? 0) - 1;
      return LOST;
    }
    const raw = fromHex(bytes) ?? new Uint8Array();
    const { genesisHash } = await this.chain.devchain.identity();
    const runtime = { specVersion: await this.#specVersion(), genesisHash };
    const read = readExtrinsic(raw, runtime, this.chain.blocks, this.builder);
    const info = { weight: 1n, pays_fee: true };
    const refused = typeof read === 'string' ? read : await this.chain.take(bytes, read, info);
    if (refused === 'known') throw new NodeRefusal(1_013, 'Transaction Already Imported');
    if (refused !== null) {
      const data = TEXTS[refused] ?? `Custom error: ${POOL_CODES[refused] ?? 255}`;
      throw new NodeRefusal(1_010, 'Invalid Transaction', data);
    }
    if ((this.faults.loseAnswers ?? 0) > 0) {
      this.faults.loseAnswers = (this.faults.loseAnswers ?? 0) - 1;
      return LOST;
    }
    return `0x${extrinsicHash(raw)}`;
  }

  async #specVersion(): Promise<number> {
    return this.faults.specVersion ?? (await this.chain.devchain.identity()).specVersion;
  }

  #metadataAt(argument: string): string {
    if (argument !== '0x0f000000') return '0x00';
    return `0x01${toHex(compactLength(this.#metadata.length))}${toHex(this.#metadata)}`;
  }

  #shown(): readonly NodeBlock[] {
    const { blocks } = this.chain;
    return blocks.slice(0, blocks.length - (this.faults.blocksBehind ?? 0));
  }

  #finalHead(): NodeBlock {
    const shown = this.#shown();
    const lag = this.chain.devchain.genesis.finalityLagBlocks;
    return shown[Math.max(0, shown.length - 1 - lag)] as NodeBlock;
  }

  #blockHash(number: unknown): string | null {
    const shown = this.#shown();
    const block = number === undefined || number === null ? shown.at(-1) : shown[Number(number)];
    if (Number(number) === 0 && this.faults.genesisHash !== undefined) return `0x${this.faults.genesisHash}`;
    if (Number(number) >= (this.faults.forkedAt ?? Infinity)) return `0x${'f0'.repeat(32)}`;
    return block === undefined ? null : `0x${block.hash}`;
  }

  #blockOf(hash: unknown): NodeBlock {
    const shown = this.#shown();
    const block = hash === undefined ? shown.at(-1) : shown.find((one) => `0x${one.hash}` === hash);
    if (block === undefined) throw new NodeRefusal(-32_000, 'Client error: UnknownBlock: header was not found');
    return block;
  }

  #stateOf(hash: unknown): NodeBlock {
    const block = this.#blockOf(hash);
    if (this.chain.blocks.length - 1 - block.number >= (this.faults.keepStates ?? 1_000_000)) {
      throw new NodeRefusal(4_003, `Client error: UnknownBlock: State already discarded for ${String(hash)}`);
    }
    return block;
  }

  #header({ number, parent }: NodeBlock): unknown {
    return { number: `0x${number.toString(16)}`, parentHash: `0x${parent}` };
  }
}

const LOST = Symbol('lost');

class NodeRefusal extends Error {
  readonly code: number;
  readonly data: string | undefined;
  constructor(code: number, message: string, data?: string) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

function compactBig(value: number): Uint8Array {
  const digits = Buffer.alloc(8);
  digits.writeBigUInt64LE(BigInt(value));
  return concat(Uint8Array.of(((8 - 4) << 2) | 3), digits);
}
