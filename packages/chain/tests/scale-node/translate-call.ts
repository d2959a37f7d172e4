/** An extrinsic's call as the devchain's: a timelocked row is opened with the beacon's signature and sealed the devchain's way. */
import { openTimelocked } from '../../src/commit-reveal/timelock.ts';
import type { DevchainCall } from '../../src/devchain/operations.ts';
import { sealForRound } from '../../src/devchain/sealed-box.ts';
import { toHex, utf8 } from '../../src/keys/bytes.ts';
import { readAxon, toBytes, toRao } from '../../src/bittensor/decoders.ts';
import { decodeLogAnchor } from '../../src/bittensor/log-anchor.ts';
import type { ReadExtrinsic } from './read-extrinsic.ts';
import type { ScaleChain } from './scale-node.ts';
import { signRound } from './test-beacon.ts';

/** The devchain's call of the same meaning. */
export async function toDevchainCall(chain: ScaleChain, { signer, name, args }: ReadExtrinsic): Promise<DevchainCall> {
  const text = (field: string): string => String(args[field]);
  const amount = (field: string): bigint => toRao(args[field]);
  const numbers = (field: string): number[] => args[field] as number[];
  const pairs = (uids: string, values: string): Array<[number, number]> =>
    numbers(uids).map((uid, index) => [uid, numbers(values)[index] ?? 0]);
  switch (name) {
    case 'transfer_keep_alive':
      return { call: 'transfer', to: String((args['dest'] as { value: unknown }).value), amount: amount('value') };
    case 'set_weights':
      return { call: 'setWeights', row: pairs('dests', 'weights'), versionKey: amount('version_key') };
    case 'add_stake':
      return { call: 'addStake', hotkey: text('hotkey'), amount: amount('amount_staked') };
    case 'transfer_stake': {
      const to = text('destination_coldkey');
      return { call: 'transferAlpha', hotkey: text('hotkey'), to, amount: amount('alpha_amount') };
    }
    case 'serve_axon': {
      const axon = readAxon({ ...args, block: 0 });
      return {
        call: 'serveAxon',
        ip: axon?.ip ?? '0.0.0.0',
        port: Number(args['port']),
        protocol: Number(args['protocol']),
      };
    }
    case 'commit_weights':
      return { call: 'commitHashed', hash: toHex(toBytes(args['commit_hash'])) };
    case 'reveal_weights': {
      const versionKey = amount('version_key');
      return { call: 'revealWeights', row: pairs('uids', 'values'), salt: numbers('salt'), versionKey };
    }
    case 'recycle_alpha':
    case 'burn_alpha': {
      const how = name === 'burn_alpha' ? 'burn' : 'recycle';
      return { call: 'retireAlpha', hotkey: text('hotkey'), amount: amount('amount'), how };
    }
    case 'register_limit':
      return { call: 'register', hotkey: text('hotkey'), maxCost: amount('limit_price') };
    case 'set_commitment': {
      const [first] = args['info'] as Array<{ value: unknown }>;
      const head = decodeLogAnchor(toBytes(first?.value)) ?? { height: 0, hash: '0'.repeat(64) };
      return { call: 'anchor', ...head };
    }
    default: {
      const bytes = toBytes(args['commit']);
      const round = Number(args['reveal_round']);
      const { genesisHash } = await chain.devchain.identity();
      const { best } = await chain.devchain.heads();
      chain.commits.push({ hotkey: signer, block: best.number + 1, bytes });
      const opened = (await openTimelocked(bytes, signRound(round))) ?? utf8('it does not open');
      return { call: 'commitTimelocked', sealed: toHex(sealForRound(genesisHash, round, opened)), round };
    }
  }
}
