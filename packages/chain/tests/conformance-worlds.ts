/** Subnets for the conformance cases: the devchain in this process, as a program, and the live adapter over a node of our own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectDevchain } from '../src/connect.ts';
import { Devchain } from '../src/devchain/devchain.ts';
import { DevchainClient } from '../src/devchain/devchain-client.ts';
import { defaultGenesis, type DevchainGenesis } from '../src/devchain/genesis.ts';
import { DevchainStore } from '../src/devchain/store.ts';
import { keyFromUri } from '../src/keys/key-pair.ts';
import type { SubnetChain } from '../src/subnet-chain.ts';
import type { ConformanceWorld } from './conformance-cases.ts';
import { startDevchain } from './devchain-process.ts';
import { openScaleWorld } from './scale-node/scale-world.ts';

/** In this process; blocks are sealed by operations and by `advance`. Streams wait for what is final, so a turn of the loop seals too. */
export async function devchainInProcess(overrides: Partial<DevchainGenesis> = {}): Promise<ConformanceWorld> {
  let nowMs = 1_790_000_000_000;
  const devchain = new Devchain({
    store: new DevchainStore(':memory:'),
    genesis: defaultGenesis({ tempo: 20, finalityLagBlocks: 0, ...overrides }),
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
}

/** As a program of its own, over its HTTP port, in real time with short blocks. */
export async function devchainProgram(): Promise<ConformanceWorld> {
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
    advance: (blocks) => waitForBlocks(chain, blocks),
    close: async () => {
      await Promise.all([chain.close(), other.close()]);
      await program.stop();
      rmSync(state, { recursive: true });
    },
  };
}

/** The live adapter, over a WebSocket, to a node that speaks SCALE with the devchain's rules behind it. */
export async function liveAdapterOverOwnNode(overrides: Partial<DevchainGenesis> = {}): Promise<ConformanceWorld> {
  const world = await openScaleWorld(overrides);
  const node = await world.node();
  return {
    chain: world.connect([node]),
    other: world.connect([node]),
    newKey: world.key,
    fund: world.fund,
    advance: async (blocks) => world.chain.seal(blocks),
    close: world.close,
  };
}

/** Returns when the chain is at least so many blocks further. */
export async function waitForBlocks(chain: SubnetChain, blocks: number): Promise<void> {
  const { best, finalized } = await chain.heads();
  const lag = best.number - finalized.number;
  for await (const { number } of chain.finalizedBlocks(finalized.number)) {
    if (number + lag >= best.number + blocks) return;
  }
}
