/** The devchain in process and as a program, and the live adapter over a node of our own, pass the same suite. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openScaleWorld } from './scale-node/scale-world.ts';
import { connectDevchain } from '../src/connect.ts';
import { Devchain } from '../src/devchain/devchain.ts';
import { DevchainClient } from '../src/devchain/devchain-client.ts';
import { defaultGenesis } from '../src/devchain/genesis.ts';
import { DevchainStore } from '../src/devchain/store.ts';
import { keyFromUri } from '../src/keys/key-pair.ts';
import { startDevchain } from './devchain-process.ts';
import { testSubnetChain, type ConformanceWorld } from './subnet-chain-conformance.ts';

testSubnetChain('the devchain in this process', async (): Promise<ConformanceWorld> => {
  let nowMs = 1_790_000_000_000;
  const devchain = new Devchain({
    store: new DevchainStore(':memory:'),
    genesis: defaultGenesis({ tempo: 20 }),
    now: () => (nowMs += 12_000),
  });
  const chain = new DevchainClient(devchain);
  return {
    chain,
    other: new DevchainClient(devchain),
    newKey: (name) => keyFromUri(`//Conformance//${name}`),
    fund: async (ss58, amount) => {
      await chain.faucet(ss58, amount);
    },
    advance: async (blocks) => {
      devchain.advance(blocks);
    },
    close: () => chain.close(),
  };
});

testSubnetChain('the devchain as a program', async (): Promise<ConformanceWorld> => {
  const state = mkdtempSync(join(tmpdir(), 'celium-devchain-'));
  const program = await startDevchain(['--port', '0', '--state', state, '--block-ms', '40', '--tempo', '30']);
  const chain = connectDevchain(program.url);
  const other = connectDevchain(program.url);
  return {
    chain,
    other,
    newKey: (name) => keyFromUri(`//Conformance//${name}`),
    fund: async (ss58, amount) => {
      await chain.faucet(ss58, amount);
    },
    advance: async (blocks) => {
      const { best, finalized } = await chain.heads();
      const lag = best.number - finalized.number;
      for await (const { number } of chain.finalizedBlocks(finalized.number)) {
        if (number + lag >= best.number + blocks) return;
      }
    },
    close: async () => {
      await Promise.all([chain.close(), other.close()]);
      await program.stop();
      rmSync(state, { recursive: true });
    },
  };
});

testSubnetChain('the live adapter over a node that speaks SCALE', async (): Promise<ConformanceWorld> => {
  const world = await openScaleWorld();
  const node = await world.node();
  const [chain, other] = [world.connect([node]), world.connect([node])];
  return {
    chain,
    other,
    newKey: world.key,
    fund: world.fund,
    advance: async (blocks) => world.chain.seal(blocks),
    close: world.close,
  };
});
