/** The epoch as this validator sees it: its first block once that is final, who has a permit, and which machines fall to us. */

import type { Axon, BlockRef, SubnetChain } from '@celium/chain';
import { CeliumError } from '@celium/contract';
import { drawCoordinator, drawValidators } from '@celium/domain';
import { sha256 } from './digest.ts';

/** One epoch. */
export interface EpochView {
  /** Its first block. */
  block: BlockRef;
  tempo: number;
  /** Hotkeys with a permit at that block, sorted. */
  permits: readonly string[];
  /** Where validators serve their APIs. */
  axons: ReadonlyMap<string, Axon>;
  /** Whose barrier it is; null without any permit. */
  coordinator: string | null;
}

/** What assignment says of a machine: our place in its draw, -1 for none, and since when (unix ms) that has been so. */
export interface Assignment {
  place: number;
  sinceMs: number;
}

/** What is read of the chain. */
export type EpochChain = Pick<SubnetChain, 'schedule' | 'finalizedBlocks' | 'neurons'>;

/** What the watch needs from outside. */
export interface EpochPorts {
  chain: EpochChain;
  clock: { unixMs(): number };
  /** Our own hotkey. */
  hotkey: { ss58: string };
}

/** How long a chain may take to bring the one block that is asked for by number. */
const BLOCK_TIMEOUT_MS = 15_000;
/** Places are remembered for this many machines and worked out anew beyond. */
const MAX_PLACES = 200_000;

/** Reads the chain when it is told to; everything else answers from what was read last. */
export class EpochWatch {
  readonly #ports: EpochPorts;
  readonly #places = new Map<string, number>();
  #view: EpochView | null = null;
  #sinceMs = 0;

  constructor(ports: EpochPorts) {
    this.#ports = ports;
  }

  /** The present epoch; null until the chain was read once. */
  view(): EpochView | null {
    return this.#view;
  }

  /** Our place in the draw of a machine. */
  assignmentOf(machineKey: string): Assignment {
    const view = this.#view;
    if (view === null) return { place: -1, sinceMs: 0 };
    let place = this.#places.get(machineKey);
    if (place === undefined) {
      const draw = { blockHash: view.block.hash, permits: view.permits };
      place = drawValidators(draw, machineKey, sha256).indexOf(this.#ports.hotkey.ss58);
      if (this.#places.size >= MAX_PLACES) this.#places.clear();
      this.#places.set(machineKey, place);
    }
    return { place, sinceMs: this.#sinceMs };
  }

  /** Looks whether a new epoch has begun on the finalised chain. Throws what the chain port throws; the last view stays. */
  async refresh(): Promise<void> {
    const { chain, clock } = this.#ports;
    const schedule = await chain.schedule('finalized');
    if (this.#view?.block.number === schedule.lastEpochBlock) return;
    const block = await finalizedBlock(chain, schedule.lastEpochBlock);
    const neurons = await neuronsAt(chain, block);
    const permits = neurons.filter((neuron) => neuron.validatorPermit).map((neuron) => neuron.hotkey);
    const axons = new Map(
      neurons.flatMap(({ hotkey, axon }) => (axon !== undefined && axon.port > 0 ? [[hotkey, axon] as const] : [])),
    );
    const coordinator = drawCoordinator({ blockHash: block.hash, permits }, sha256);
    this.#view = { block, tempo: schedule.tempo, permits: permits.sort(), axons, coordinator };
    this.#sinceMs = clock.unixMs();
    this.#places.clear();
  }
}

/** A finalised block by its number. */
export async function finalizedBlock(chain: Pick<SubnetChain, 'finalizedBlocks'>, number: number): Promise<BlockRef> {
  for await (const block of chain.finalizedBlocks(number, { signal: AbortSignal.timeout(BLOCK_TIMEOUT_MS) }))
    return block;
  throw new CeliumError('TIMEOUT', `The chain did not bring block ${number} within ${BLOCK_TIMEOUT_MS} ms.`);
}

/**
 * The metagraph at the epoch's first block. Nodes forget old states: then the newest final one serves, without those who registered later.
 * Permits change at epochs only, so both say the same of everyone who is still there.
 */
async function neuronsAt(chain: EpochChain, block: BlockRef): ReturnType<SubnetChain['neurons']> {
  try {
    return await chain.neurons({ hash: block.hash });
  } catch (fault) {
    if (!(fault instanceof CeliumError) || fault.code !== 'NOT_FOUND') throw fault;
    return (await chain.neurons('finalized')).filter((neuron) => neuron.registeredAt <= block.number);
  }
}
