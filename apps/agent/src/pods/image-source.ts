/** Finds the image of a pod: the base image that this machine built, or one from a registry. */
import { CeliumError } from '@celium/contract';
import { BASE_IMAGE } from '@celium/domain';
import { explain } from '../log.ts';
import type { LeaseStore } from '../store/lease-store.ts';
import { EngineRefusal, type PodEngine, type PullProgress } from './pod-engine.ts';

export interface ImageSource {
  /**
   * The id of the image `reference`. `progress` is called only when it has to be brought.
   * Throws `IMAGE_UNAVAILABLE` or `DISK_FULL`, and `EngineAway`.
   */
  resolve(reference: string, progress: PullProgress, signal: AbortSignal): Promise<string>;
}

/**
 * Images of the engine, as far as pods may have them: the base, and what was brought from a registry for a pod before. Other
 * images of the host's owner are not for renters.
 */
export class EngineImages implements ImageSource {
  readonly #engine: PodEngine;
  readonly #store: LeaseStore;
  readonly #baseImageId: string;

  constructor(engine: PodEngine, store: LeaseStore, baseImageId: string) {
    this.#engine = engine;
    this.#store = store;
    this.#baseImageId = baseImageId;
  }

  async resolve(reference: string, progress: PullProgress, signal: AbortSignal): Promise<string> {
    if (reference === BASE_IMAGE || reference === this.#baseImageId) return this.#baseImageId;
    const fact = `image:${reference}`;
    if (this.#store.fact(fact) !== undefined) {
      const id = await this.#engine.findImage(reference);
      if (id !== null) return id;
    }
    progress(`pulling ${reference}`);
    try {
      await this.#engine.pullImage(reference, progress, signal);
    } catch (fault) {
      if (!(fault instanceof EngineRefusal)) throw fault;
      const full = /no space left/i.test(fault.message);
      throw new CeliumError(
        full ? 'DISK_FULL' : 'IMAGE_UNAVAILABLE',
        `${reference} could not be had: ${explain(fault)}`,
        { cause: fault },
      );
    }
    const id = await this.#engine.findImage(reference);
    if (id === null) throw new CeliumError('IMAGE_UNAVAILABLE', `${reference} was brought and is not there`);
    this.#store.setFact(fact, id);
    return id;
  }
}
