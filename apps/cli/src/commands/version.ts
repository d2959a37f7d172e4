/** `celium version`: what runs here, and what the market runs. */

import { buildCommand } from '@stricli/core';
import type { CliContext } from '../context.ts';
import { connectAsStranger } from '../market/connect.ts';
import { writeResult } from '../output/result.ts';
import { formatFields } from '../output/table.ts';
import { clientFlags, describe, type ClientFlags } from './flags.ts';

/** The version of this CLI; the same as in package.json, which a test compares. */
export const CLI_VERSION = '0.1.0';

/** A market that does not answer quickly is left out: this command also runs where there is none. */
const MARKET_TIMEOUT_MS = 2_000;

export const versionCommand = buildCommand<ClientFlags, [], CliContext>({
  async func(flags) {
    const client = connectAsStranger(this, flags.market);
    const market = await client.call('getMarket', { timeoutMs: MARKET_TIMEOUT_MS }).catch(() => null);
    const versions = {
      celium: CLI_VERSION,
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
      market: market === null ? null : { url: client.baseUrl, version: market.version, netuid: market.netuid },
    };
    writeResult(this, flags.json, versions, () =>
      formatFields([
        ['celium', versions.celium],
        ['node', versions.node],
        ['platform', versions.platform],
        [
          'market',
          market === null
            ? `${client.baseUrl} does not answer`
            : `${market.version} at ${client.baseUrl}, netuid ${market.netuid}`,
        ],
      ]),
    );
  },
  parameters: { flags: clientFlags },
  docs: {
    brief: 'Show versions of this program and of the market',
    fullDescription: describe('Shows what runs here and, where one answers, what the market runs.', [
      ['celium version', ''],
    ]),
  },
});
