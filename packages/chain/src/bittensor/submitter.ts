/** Sends extrinsics: one at a time per account, never a second one while the first may still count, and answers only what is final. */
import { CeliumError } from '@celium/contract';
import type { KeySigner } from '../keys/key-pair.ts';
import type { BlockRef, Outcome } from '../subnet-chain.ts';
import type { CallKind, ChainPort, RawBlock } from './chain-port.ts';
import { signExtrinsic, type SignedExtrinsic } from './extrinsic.ts';
import type { Fields } from './decoders.ts';

/** Signings of one call: after another program used our nonce, or an extrinsic died without being included. */
const SIGNINGS = 4;
/** Sendings of one extrinsic whose answer is lost, before its fate is looked for on chain only. */
const SENDINGS = 4;
/** Looks at the chain until an extrinsic is final or dead. */
const MOST_LOOKS = 1_000;
const LOOK_EVERY_MS = 2_000;
/** Each so many looks without our extrinsic the same bytes are sent again: pools forget. */
const RESEND_EVERY_LOOKS = 8;

/** Errors after which the same call may pass later, or when it is signed again. */
const RETRYABLE: ReadonlySet<string> = new Set([
  'Stale',
  'Future',
  'AncientBirthBlock',
  'ImmediatelyDropped',
  'ExhaustsResources',
  'SettingWeightsTooFast',
  'CommittingWeightsTooFast',
  'TooManyUnrevealedCommits',
  'NetworkTxRateLimitExceeded',
  'RevealTooEarly',
  'ServingRateLimitExceeded',
  'SpaceLimitExceeded',
]);

/** A call by its name (`Pallet.call`) and arguments. */
export interface CallToSend {
  readonly name: string;
  readonly args: Fields;
  readonly kind?: CallKind;
}

interface SubmitterPorts {
  readonly port: ChainPort;
  readonly sleep: (ms: number) => Promise<void>;
}

/** What came of sending: on its way, or refused before it was in any block. */
type Sent = { readonly extrinsic: SignedExtrinsic } | { readonly refused: string };

/** Sends for any number of accounts. */
export class Submitter {
  readonly #ports: SubmitterPorts;
  /** Per account, the end of its queue. */
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(ports: SubmitterPorts) {
    this.#ports = ports;
  }

  /**
   * Signs and sends a call, and returns when it is in a final block or can be in none. Throws `CHAIN_CHANGED` before
   * anything is signed when the runtime lacks something, `CHAIN_UNAVAILABLE` when no node answers, `TIMEOUT` when
   * neither happens in time (then look before you repeat it).
   */
  async send(signer: KeySigner, call: CallToSend): Promise<Outcome> {
    for (let signings = 1; ; signings += 1) {
      const sent = await this.#inTurn(signer.ss58, () => this.#signAndSend(signer, call));
      const outcome = 'refused' in sent ? refused(sent.refused) : await this.#untilFinal(signer, call, sent.extrinsic);
      // Only what is certainly in no block is signed anew, and only when its nonce or its time was the reason.
      const again = !outcome.ok && (outcome.error === 'Stale' || outcome.error === 'AncientBirthBlock');
      if (!again || signings >= SIGNINGS) return outcome;
      await this.#ports.sleep(LOOK_EVERY_MS);
    }
  }

  /** One account's calls one after the other, up to the pool: so nonces never race. */
  #inTurn<Result>(account: string, run: () => Promise<Result>): Promise<Result> {
    const turn = (this.#queues.get(account) ?? Promise.resolve()).then(run);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#queues.set(account, settled);
    void settled.then(() => {
      if (this.#queues.get(account) === settled) this.#queues.delete(account);
    });
    return turn;
  }

  async #signAndSend(signer: KeySigner, call: CallToSend): Promise<Sent> {
    const { port } = this.#ports;
    const [runtime, genesisHash, { finalized }, nonce] = await Promise.all([
      port.runtime(),
      port.genesisHash(),
      port.heads(),
      port.nextNonce(signer.ss58),
    ]);
    if (runtime.problems.length > 0) {
      throw new CeliumError(
        'CHAIN_CHANGED',
        `the runtime (spec ${runtime.specVersion}) is not the one that this version knows: ${runtime.problems.slice(0, 5).join('; ')}`,
      );
    }
    const bytes = runtime.encodeCall(call.name, call.args);
    const context = { genesisHash, nonce, birth: finalized };
    return this.#sendUntilKnown(signer, await signExtrinsic(runtime, bytes, context, signer), call.kind ?? 'other');
  }

  /** The very same bytes are sent until a node says what it did with them, or the nonce is seen to be taken. */
  async #sendUntilKnown(signer: KeySigner, extrinsic: SignedExtrinsic, kind: CallKind): Promise<Sent> {
    const { port, sleep } = this.#ports;
    for (let sendings = 1; ; sendings += 1) {
      try {
        const answer = await port.submit(extrinsic.bytes, kind);
        if (answer.taken) return { extrinsic };
        // A nonce that is used up after a lost answer may be used up by this very extrinsic: the chain tells.
        return answer.error === 'Stale' && sendings > 1 ? { extrinsic } : { refused: answer.error };
      } catch (error) {
        if (!isTransient(error) || sendings >= SENDINGS) {
          if (sendings > 1 && isTransient(error)) return { extrinsic };
          throw error;
        }
        await sleep(LOOK_EVERY_MS);
        if ((await port.nextNonce(signer.ss58)) > extrinsic.nonce) return { extrinsic };
      }
    }
  }

  /** Reads every final block from the extrinsic's birth on, until it is found or can no longer come. */
  async #untilFinal(signer: KeySigner, call: CallToSend, extrinsic: SignedExtrinsic): Promise<Outcome> {
    const { port, sleep } = this.#ports;
    let next = extrinsic.birth.number + 1;
    for (let looks = 1; looks <= MOST_LOOKS; looks += 1) {
      try {
        const { finalized } = await port.heads();
        for (; next <= Math.min(finalized.number, extrinsic.validUntil); next += 1) {
          const found = await this.#findIn(next, extrinsic.hash);
          if (found !== null) return await this.#outcomeIn(found.block, found.index, extrinsic.hash);
        }
        if (next > extrinsic.validUntil) return refused('AncientBirthBlock');
        // All of these blocks were read: a nonce that is used in them was used by somebody else.
        const account = (await port.query('System.Account', [signer.ss58], finalized.hash)) as { nonce?: unknown };
        if (Number(account.nonce) > extrinsic.nonce) return refused('Stale');
        if (looks % RESEND_EVERY_LOOKS === 0) await port.submit(extrinsic.bytes, call.kind ?? 'other');
      } catch (error) {
        if (!isTransient(error)) throw error;
      }
      await sleep(LOOK_EVERY_MS);
    }
    throw new CeliumError(
      'TIMEOUT',
      `extrinsic ${extrinsic.hash} is in no final block yet: look for it before you repeat it (it may come until block ${extrinsic.validUntil})`,
    );
  }

  async #findIn(number: number, hash: string): Promise<{ block: RawBlock; index: number } | null> {
    const { port } = this.#ports;
    const blockHash = await port.hashOf(number);
    if (blockHash === null) throw new CeliumError('CHAIN_UNAVAILABLE', `the node lacks final block ${number}`);
    const block = await port.block(blockHash);
    const index = block.extrinsics.indexOf(hash);
    return index < 0 ? null : { block, index };
  }

  async #outcomeIn(block: RawBlock, index: number, txHash: string): Promise<Outcome> {
    const { port } = this.#ports;
    const events = await port.events(block.hash);
    const failed = events.find(
      ({ extrinsic, pallet, name }) => extrinsic === index && pallet === 'System' && name === 'ExtrinsicFailed',
    );
    const { number, hash, timeMs } = block;
    const ref: BlockRef = { number, hash, timeMs };
    if (failed === undefined) return { ok: true, block: ref, txHash };
    return refused(deepestName((failed.value as { dispatch_error: DispatchFault }).dispatch_error));
  }
}

interface DispatchFault {
  readonly type: string;
  readonly value?: unknown;
}

/** `Module(SubtensorModule(SettingWeightsTooFast))` is `SettingWeightsTooFast`, `Token(FundsUnavailable)` is `FundsUnavailable`. */
function deepestName(fault: DispatchFault): string {
  const inner = fault.value as DispatchFault | undefined;
  return typeof inner?.type === 'string' ? deepestName(inner) : fault.type;
}

function refused(error: string): Extract<Outcome, { ok: false }> {
  return { ok: false, error, retryable: RETRYABLE.has(error) };
}

function isTransient(error: unknown): boolean {
  return error instanceof CeliumError && (error.code === 'CHAIN_UNAVAILABLE' || error.code === 'TIMEOUT');
}
