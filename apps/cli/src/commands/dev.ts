/** `celium dev ...`: for those who test Celium itself. */

import { buildCommand, buildRouteMap } from '@stricli/core';
import { CeliumError, CRASH_POINTS } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { writeResult } from '../output/result.ts';
import { formatTable } from '../output/table.ts';
import { describe, jsonFlag, parseTao, type OutputFlags } from './flags.ts';
import { chainFlag, chainUrlOf } from './serve.ts';

const DEFAULT_GIFT_RAO = 1_000_000_000_000n;

const crashPointsCommand = buildCommand<OutputFlags, [], CliContext>({
  func(flags) {
    const points = Object.entries(CRASH_POINTS).map(([name, meaning]) => ({ name, meaning }));
    writeResult(this, flags.json, points, () =>
      formatTable(
        [{ title: 'POINT' }, { title: 'WHEN' }],
        points.map(({ name, meaning }) => [name, meaning]),
      ),
    );
  },
  parameters: { flags: { json: jsonFlag } },
  docs: {
    brief: 'List the moments at which a test may kill a program',
    fullDescription: describe(
      'A program that is started with CELIUM_CRASH_AT=name (or name:n for the n-th time) is killed there by SIGKILL.',
      [
        ['celium dev crash-points', ''],
        ['CELIUM_CRASH_AT=market.rent.committed celium serve', 'die after a rent is committed'],
      ],
    ),
  },
});

interface FaucetFlags extends OutputFlags {
  chain?: string | undefined;
  tao?: bigint | undefined;
}

const faucetCommand = buildCommand<FaucetFlags, [string], CliContext>({
  async func(flags, address) {
    const { connectDevchain, decodeSs58 } = await import('@celium/chain');
    decodeSs58(address);
    const amountRao = flags.tao ?? DEFAULT_GIFT_RAO;
    const chain = connectDevchain(chainUrlOf(this, flags.chain));
    try {
      const outcome = await chain.faucet(address, amountRao);
      if (!outcome.ok) throw new CeliumError('CHAIN_REFUSED', `The devchain refused: ${outcome.error}.`);
      const { free } = await chain.balance(address);
      writeResult(this, flags.json, { address, freeRao: free }, () => `${address} has ${free} rao\n`);
    } finally {
      await chain.close();
    }
  },
  parameters: {
    flags: {
      json: jsonFlag,
      chain: chainFlag,
      tao: { kind: 'parsed', parse: parseTao, placeholder: 'tao', brief: 'How much; 1000 by default', optional: true },
    },
    positional: {
      kind: 'tuple',
      parameters: [{ parse: String, placeholder: 'address', brief: 'SS58 address of a coldkey' }],
    },
  },
  docs: {
    brief: 'Give an address TAO of a devchain',
    fullDescription: describe('Only a devchain has a faucet: its TAO is worth nothing.', [
      ['celium dev faucet 5Grwva... --tao 10', ''],
    ]),
  },
});

export const devRoutes = buildRouteMap({
  routes: { crashPoints: crashPointsCommand, faucet: faucetCommand },
  docs: { brief: 'For testing Celium itself' },
});
