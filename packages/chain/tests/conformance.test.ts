/** The devchain in process and as a program, and the live adapter over a node of our own, pass the same cases. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import {
  CONFORMANCE_CASES,
  CONFORMANCE_FUNDS,
  type ConformanceKeys,
  type ConformanceWorld,
} from './conformance-cases.ts';
import { devchainInProcess, devchainProgram, liveAdapterOverOwnNode } from './conformance-worlds.ts';

describe.each([
  ['the devchain in this process', () => devchainInProcess()],
  ['the devchain in this process, with commit-reveal', () => devchainInProcess({ commitReveal: true })],
  ['the devchain as a program', () => devchainProgram()],
  ['the live adapter over a node that speaks SCALE', () => liveAdapterOverOwnNode()],
  ['the live adapter, with commit-reveal', () => liveAdapterOverOwnNode({ commitReveal: true, tempo: 60 })],
] as const)('%s as a SubnetChain', (_, open) => {
  let world: ConformanceWorld;
  let keys: ConformanceKeys;
  beforeAll(async () => {
    world = await open();
    keys = { coldkey: world.newKey('coldkey'), hotkey: world.newKey('hotkey') };
    await world.fund(keys.coldkey.ss58, CONFORMANCE_FUNDS);
  });
  afterAll(() => world.close());
  test.each(CONFORMANCE_CASES)('$claim', ({ run }) => run(world, keys));
});
