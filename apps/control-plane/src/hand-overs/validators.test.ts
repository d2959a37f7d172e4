/** Whom a market asks for a check: validators with a permit and an axon, at public addresses, and the known ones while the chain is away. */
import type { Neuron } from '@celium/chain';
import { expect, test } from 'vitest';
import { TestClock } from '../testing/test-clock.ts';
import { makeValidatorReader } from './validators.ts';

const neuron = (hotkey: string, ip: string, validatorPermit = true, port = 7_760): Neuron =>
  ({ hotkey, validatorPermit, axon: { ip, port, protocol: 4, block: 1 } }) as Neuron;

const NEURONS = [
  neuron('a', '8.8.8.8'),
  neuron('b', '2606:4700::1111'),
  neuron('no permit', '8.8.4.4', false),
  neuron('no port', '8.8.4.4', true, 0),
  neuron('private', '10.0.0.1'),
  { hotkey: 'no axon', validatorPermit: true } as Neuron,
];

test('only validators with a permit and a public axon are asked, unless private addresses are allowed', async () => {
  const read = (allowPrivate: boolean) => makeValidatorReader(async () => NEURONS, new TestClock(), { allowPrivate })();
  expect(await read(false)).toEqual([
    { hotkey: 'a', url: 'http://8.8.8.8:7760' },
    { hotkey: 'b', url: 'http://[2606:4700::1111]:7760' },
  ]);
  expect((await read(true)).map(({ hotkey }) => hotkey)).toEqual(['a', 'b', 'private']);
});

test('while the chain is away the known ones are asked; without any the fault is told', async () => {
  const clock = new TestClock();
  let isUp = true;
  const read = makeValidatorReader(
    async () => {
      if (!isUp) throw new Error('away');
      return NEURONS;
    },
    clock,
    { allowPrivate: false },
  );
  expect(await read()).toHaveLength(2);
  isUp = false;
  clock.advance(31_000);
  expect(await read()).toHaveLength(2);
  const never = makeValidatorReader(() => Promise.reject(new Error('away')), clock, { allowPrivate: false });
  await expect(never()).rejects.toThrow('away');
});
