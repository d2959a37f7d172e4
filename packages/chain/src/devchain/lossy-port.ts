/** A devchain's port over a connection that breaks: for tests of what a program does when an answer never comes. */
import { CeliumError } from '@celium/contract';
import type { DevchainPort } from './port.ts';

/** Which calls break: so many of a method, before it reaches the chain or after the chain has done it. */
export interface BrokenCalls {
  readonly method: keyof DevchainPort;
  readonly when: 'before' | 'after';
  readonly times: number;
}

/** The port, whose first calls of some methods end with `CHAIN_UNAVAILABLE`. */
export function withBrokenCalls(port: DevchainPort, broken: readonly BrokenCalls[]): DevchainPort {
  const left = new Map(broken.map((one) => [one, one.times]));
  return new Proxy(port, {
    get(target, name) {
      const call = Reflect.get(target, name) as unknown;
      if (typeof call !== 'function') return call;
      return async (...args: unknown[]): Promise<unknown> => {
        const fault = [...left].find(([one, times]) => one.method === name && times > 0)?.[0];
        if (fault !== undefined) left.set(fault, (left.get(fault) ?? 0) - 1);
        if (fault?.when === 'before') throw lost();
        const answer: unknown = await Reflect.apply(call, target, args);
        if (fault !== undefined) throw lost();
        return answer;
      };
    },
  });
}

function lost(): CeliumError {
  return new CeliumError('CHAIN_UNAVAILABLE', 'the connection to the devchain broke');
}
