/** Where validators are asked for a check: those with a permit whose axon the chain knows, remembered for half a minute. */
import { isPrivateAddress } from '@celium/domain';
import type { Neuron } from '@celium/chain';
import type { Clock, ValidatorAddress, ValidatorReader } from '../ports.ts';

const MEMORY_MS = 30_000;

/**
 * @param readNeurons the subnet's neurons; a fault is CHAIN_UNAVAILABLE, and then the addresses that were read last are given
 * @param options private addresses are given out only with `allowPrivate`
 */
export function makeValidatorReader(
  readNeurons: () => Promise<readonly Neuron[]>,
  clock: Clock,
  options: { allowPrivate: boolean },
): ValidatorReader {
  let known: ValidatorAddress[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (clock.moment().atMs - readAtMs <= MEMORY_MS) return known;
    try {
      known = (await readNeurons()).flatMap((neuron) => addressOf(neuron, options.allowPrivate));
      readAtMs = clock.moment().atMs;
    } catch (fault) {
      if (known.length === 0) throw fault;
    }
    return known;
  };
}

/** The chain holds addresses, no names: nothing is resolved. */
function addressOf({ hotkey, validatorPermit, axon }: Neuron, allowPrivate: boolean): ValidatorAddress[] {
  if (!validatorPermit || axon === undefined || axon.port === 0) return [];
  if (isPrivateAddress(axon.ip) && !allowPrivate) return [];
  return [{ hotkey, url: `http://${axon.ip.includes(':') ? `[${axon.ip}]` : axon.ip}:${axon.port}` }];
}
