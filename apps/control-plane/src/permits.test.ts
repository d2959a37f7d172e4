/** Validator permits: read from the chain, kept for half a minute, and longer while the chain is away. */
import { CeliumError } from '@celium/contract';
import type { Neuron } from '@celium/chain';
import { expect, test } from 'vitest';
import { makePermitReader } from './permits.ts';
import { TestClock } from './testing/test-clock.ts';

const neuron = (hotkey: string, validatorPermit: boolean): Neuron => ({ hotkey, validatorPermit }) as Neuron;

test('a hotkey with a permit has it, one without has not, and the chain is asked once in half a minute', async () => {
  const clock = new TestClock();
  let reads = 0;
  const hasPermit = makePermitReader(async () => {
    reads += 1;
    return [neuron('yes', true), neuron('no', false)];
  }, clock);
  expect(await hasPermit('yes')).toBe(true);
  expect(await hasPermit('yes')).toBe(true);
  expect(await hasPermit('no')).toBe(false);
  expect(reads).toBe(1);
  clock.advance(31_000);
  expect(await hasPermit('yes')).toBe(true);
  expect(reads).toBe(2);
});

test('a permit given just now is found without waiting for half a minute', async () => {
  const clock = new TestClock();
  const neurons = [neuron('old', true)];
  const hasPermit = makePermitReader(async () => neurons, clock);
  expect(await hasPermit('new')).toBe(false);
  neurons.push(neuron('new', true));
  clock.advance(1_500);
  expect(await hasPermit('new')).toBe(true);
});

test('while the chain does not answer, what was known stays in force, for five minutes', async () => {
  const clock = new TestClock();
  let isUp = true;
  const hasPermit = makePermitReader(async () => {
    if (!isUp) throw new CeliumError('CHAIN_UNAVAILABLE');
    return [neuron('yes', true)];
  }, clock);
  expect(await hasPermit('yes')).toBe(true);
  isUp = false;
  clock.advance(4 * 60_000);
  expect(await hasPermit('yes')).toBe(true);
  clock.advance(2 * 60_000);
  await expect(hasPermit('yes')).rejects.toMatchObject({ code: 'CHAIN_UNAVAILABLE' });
});
