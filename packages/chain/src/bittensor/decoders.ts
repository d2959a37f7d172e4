/** What the runtime's values mean here: narrow readers of the few things that we take from them. */
import { CeliumError } from '@celium/contract';
import type { Axon, Neuron, PendingWeights, Rao } from '../subnet-chain.ts';
import { commitDigest } from '../commit-reveal/weights-payload.ts';
import { fromHex } from '../keys/bytes.ts';

/** A value of metadata's struct, by field name. */
export type Fields = Readonly<Record<string, unknown>>;

/** The neurons of `get_metagraph`'s column vectors. Throws `CHAIN_WRONG` when they are not of one length. */
export function readNeurons(metagraph: Fields): Neuron[] {
  const hotkeys = list(metagraph['hotkeys']);
  const column = (name: string): readonly unknown[] => {
    const values = list(metagraph[name]);
    if (values.length === hotkeys.length) return values;
    throw new CeliumError('CHAIN_WRONG', `the metagraph has ${hotkeys.length} hotkeys and ${values.length} ${name}`);
  };
  const coldkeys = column('coldkeys');
  const axons = column('axons');
  const active = column('active');
  const permits = column('validator_permit');
  const numbers = ['last_update', 'incentives', 'dividends', 'block_at_registration'].map(column);
  const amounts = ['alpha_stake', 'tao_stake', 'total_stake', 'emission'].map(column);
  return hotkeys.map((hotkey, uid) => {
    const [lastUpdate = 0, incentive = 0, dividends = 0, registeredAt = 0] = numbers.map((of) => Number(of[uid]));
    const [alphaStake = 0n, taoStake = 0n, totalStake = 0n, emission = 0n] = amounts.map((of) => toRao(of[uid]));
    const axon = readAxon(axons[uid] as Fields);
    return {
      uid,
      hotkey: String(hotkey),
      coldkey: String(coldkeys[uid]),
      alphaStake,
      taoStake,
      totalStake,
      validatorPermit: permits[uid] === true,
      active: active[uid] === true,
      lastUpdate,
      registeredAt,
      incentive,
      dividends,
      emission,
      ...(axon === null ? {} : { axon }),
    };
  });
}

/** An axon, or null for one that was never served. IPv4 addresses are plain integers. */
export function readAxon(axon: Fields): Axon | null {
  const ip = toRao(axon['ip']);
  const port = Number(axon['port']);
  if (ip === 0n || port === 0) return null;
  const text = Number(axon['ip_type']) === 6 ? ipv6(ip) : ipv4(ip);
  return text === null ? null : { ip: text, port, protocol: Number(axon['protocol']), block: Number(axon['block']) };
}

/** An address as the chain takes it. Throws `BAD_REQUEST` for what is no address. */
export function encodeIp(ip: string): { ip: bigint; ip_type: 4 | 6 } {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(ip)) {
    const parts = ip.split('.').map(Number);
    if (parts.every((part) => part < 256)) {
      return { ip: parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n), ip_type: 4 };
    }
  }
  const host = ip.includes(':') && URL.canParse(`http://[${ip}]/`) ? new URL(`http://[${ip}]/`).hostname : null;
  if (host === null) throw new CeliumError('BAD_REQUEST', `"${ip.slice(0, 60)}" is no IP address`);
  const [head = '', tail] = host.slice(1, -1).split('::');
  const words = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [words(head), words(tail ?? '')];
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - before.length - after.length }, () => '0');
  const all = [...before, ...zeros, ...after];
  return { ip: all.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n), ip_type: 6 };
}

/** Commits that are not revealed, of one hotkey, oldest first. */
export function readPending(
  timelocked: ReadonlyArray<{ epoch: number; commits: unknown }>,
  hashed: unknown,
  hotkey: string,
): PendingWeights[] {
  const sealed = timelocked.flatMap(({ epoch, commits }) =>
    list(commits).flatMap((commit): PendingWeights[] => {
      const [who, block, bytes, round] = commit as readonly unknown[];
      if (who !== hotkey) return [];
      const digest = commitDigest(toBytes(bytes));
      return [{ mode: 'timelocked', epoch, block: Number(block), digest, revealRound: Number(round) }];
    }),
  );
  const hashes = (hashed === undefined ? [] : list(hashed)).map((commit): PendingWeights => {
    const [hash, epoch, block] = commit as readonly unknown[];
    return { mode: 'hashed', epoch: Number(epoch), block: Number(block), digest: stripped(hash) };
  });
  return [...sealed, ...hashes].toSorted((a, b) => a.block - b.block);
}

/** An amount or another whole number. */
export function toRao(value: unknown): Rao {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  throw new CeliumError('CHAIN_WRONG', 'the node gave something else where a number belongs');
}

/** A fixed-point number with 32 bits after the point, as units of 10^-9. */
export function fixed32ToNano(value: unknown): bigint {
  return (toRao(value) * 1_000_000_000n) >> 32n;
}

/** Bytes, which metadata's codecs give as bytes or as hex. */
export function toBytes(value: unknown): Uint8Array {
  const bytes = value instanceof Uint8Array ? value : fromHex(String(value));
  if (bytes === null) throw new CeliumError('CHAIN_WRONG', 'the node gave something else where bytes belong');
  return bytes;
}

function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw new CeliumError('CHAIN_WRONG', 'the node gave something else where a list belongs');
}

function stripped(value: unknown): string {
  return Buffer.from(toBytes(value)).toString('hex');
}

function ipv4(ip: bigint): string | null {
  return ip >> 32n === 0n ? [24n, 16n, 8n, 0n].map((shift) => (ip >> shift) & 255n).join('.') : null;
}

function ipv6(ip: bigint): string {
  const words = Array.from({ length: 8 }, (_, index) => ((ip >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  return new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1);
}
