/** Which hotkeys hold a validator permit: read from the chain, remembered for half a minute. */
import { CeliumError } from '@celium/contract';
import type { Neuron } from '@celium/chain';
import type { Clock, PermitReader } from './ports.ts';

const MEMORY_MS = 30_000;

/**
 * @param readNeurons the subnet's neurons; a fault is CHAIN_UNAVAILABLE
 * What was read stays in force while the chain does not answer, at most ten times as long as it is fresh.
 */
export function makePermitReader(readNeurons: () => Promise<readonly Neuron[]>, clock: Clock): PermitReader {
  let permits = new Set<string>();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;
  const refresh = async (): Promise<void> => {
    const neurons = await readNeurons();
    permits = new Set(neurons.filter((neuron) => neuron.validatorPermit).map((neuron) => neuron.hotkey));
    readAtMs = clock.moment().atMs;
  };
  return async (hotkey) => {
    const ageMs = clock.moment().atMs - readAtMs;
    // A key that is not known may have been given its permit just now: ask again, at most once a second.
    if (ageMs > MEMORY_MS || (!permits.has(hotkey) && ageMs > 1_000)) {
      reading ??= refresh().finally(() => {
        reading = null;
      });
      try {
        await reading;
      } catch (fault) {
        if (ageMs > 10 * MEMORY_MS) {
          throw fault instanceof CeliumError
            ? fault
            : new CeliumError('CHAIN_UNAVAILABLE', undefined, { cause: fault });
        }
      }
    }
    return permits.has(hotkey);
  };
}
