/** What a real runtime (spec 293: an alpha per block, cycles of 11 blocks) did with given weights, and what the devchain does with them. */
import { Devchain } from '../src/devchain/devchain.ts';
import { DevchainClient } from '../src/devchain/devchain-client.ts';
import { defaultGenesis, type DevchainGenesis } from '../src/devchain/genesis.ts';
import { DevchainStore } from '../src/devchain/store.ts';
import { keyFromUri } from '../src/keys/key-pair.ts';
import { RAO_PER_TAO, type Neuron } from '../src/subnet-chain.ts';

const TAO = RAO_PER_TAO;
const CYCLE_BLOCKS = 11;

/** Who is who: Alice owns the subnet (UID 0), Ben everything else. */
export const alice = keyFromUri('//Alice');
export const ben = keyFromUri('//Ben');
/** UID 1, with all the stake. Miners are UIDs 2 and 3. */
export const validator = keyFromUri('//Validator');

/** A subnet that emits, one validator, two miners. */
export interface EmissionWorld {
  readonly devchain: Devchain;
  readonly chain: DevchainClient;
  readonly store: DevchainStore;
}

/** Opens it, just after the epoch that gave the validator its permit. */
export async function openEmissionWorld(overrides: Partial<DevchainGenesis> = {}): Promise<EmissionWorld> {
  const genesis = defaultGenesis({
    tempo: CYCLE_BLOCKS,
    alphaPerBlock: TAO,
    weightsRateLimitBlocks: 1,
    endowments: [alice, ben].map(({ ss58 }) => ({ ss58, free: 1_000_000n * TAO })),
    ...overrides,
  });
  let nowMs = genesis.timeMs;
  const store = new DevchainStore(':memory:');
  const devchain = new Devchain({ store, genesis, now: () => (nowMs += 12_000) });
  const chain = new DevchainClient(devchain);
  for (const uri of ['//One', '//Two']) await chain.register(ben, keyFromUri(uri).ss58, TAO);
  await chain.register(ben, validator.ss58, TAO);
  await chain.addStake(ben, validator.ss58, 1_000n * TAO);
  devchain.advance(CYCLE_BLOCKS - ((await chain.heads()).best.number % CYCLE_BLOCKS));
  return { devchain, chain, store };
}

/** The metagraph before and after an epoch in which one row counted from its beginning. */
export interface EpochSeen {
  readonly before: Neuron[];
  readonly after: Neuron[];
}

/** Sets the row, goes over one epoch, and over another. */
export async function epochWith({ chain, devchain }: EmissionWorld, row: Array<[number, number]>): Promise<EpochSeen> {
  const receipt = await chain.putWeights(validator, row, 0n);
  if (!receipt.ok) throw new Error(receipt.error);
  devchain.advance(CYCLE_BLOCKS - (receipt.block.number % CYCLE_BLOCKS));
  const before = await chain.neurons();
  devchain.advance(CYCLE_BLOCKS);
  return { before, after: await chain.neurons() };
}

/** Alpha that a UID's stake grew by. */
export function grown({ before, after }: EpochSeen, uid: number): number {
  return Number((after[uid]?.alphaStake ?? 0n) - (before[uid]?.alphaStake ?? 0n)) / 1e9;
}

/** A number as measured on the real runtime, and here, rounded alike. */
export interface GoldenNumber {
  readonly what: string;
  readonly unit: string;
  readonly golden: number | string;
  readonly here: number | string;
}

/** UIDs by the order of registration: miners 1 and 2, validator 3. */
export const MINERS = [1, 2] as const;
export const VALIDATOR_UID = 3;

/** Every golden number, measured anew. */
export async function measureGoldenNumbers(): Promise<GoldenNumber[]> {
  const world = await openEmissionWorld();
  const [first, second] = MINERS;
  const steep = await epochWith(world, [
    [first, 65_535],
    [second, 1_000],
  ]);
  const alpha = (value: number): number => Math.round(value * 1_000) / 1_000;
  const incentives = ({ after }: EpochSeen): string => MINERS.map((uid) => after[uid]?.incentive).join(', ');
  const mixed = await epochWith(world, [
    [first, 40_000],
    [second, 65_535],
  ]);
  const owned = await openEmissionWorld();
  const withOwner = await epochWith(owned, [
    [0, 65_535],
    [first, 65_535],
  ]);
  const quiet = await openEmissionWorld({ alphaPerBlock: 0n });
  const out = async (): Promise<bigint> => (await quiet.chain.subnet()).alphaOut;
  const atFirst = await out();
  await quiet.chain.retireAlpha(ben, validator.ss58, TAO, 'burn');
  const burned = await out();
  await quiet.chain.retireAlpha(ben, validator.ss58, TAO, 'recycle');
  const recycled = await out();
  return [
    { what: 'validator per epoch', unit: 'alpha', golden: 4.51, here: alpha(grown(steep, VALIDATOR_UID)) },
    {
      what: 'miners per epoch, together',
      unit: 'alpha',
      golden: 4.51,
      here: alpha(grown(steep, first) + grown(steep, second)),
    },
    { what: 'owner per two epochs', unit: 'alpha', golden: 3.96, here: alpha(2 * grown(steep, 0)) },
    { what: 'incentive of weights 65535, 1000', unit: 'u16', golden: '64550, 984', here: incentives(steep) },
    { what: 'incentive of weights 40000, 65535', unit: 'u16', golden: '24839, 40695', here: incentives(mixed) },
    {
      what: 'owner with half of the incentive, per epoch: its cut only',
      unit: 'alpha',
      golden: 1.98,
      here: alpha(grown(withOwner, 0)),
    },
    { what: 'alpha out by burning one', unit: 'alpha', golden: 0, here: Number(burned - atFirst) / 1e9 },
    { what: 'alpha out by recycling one', unit: 'alpha', golden: -1, here: Number(recycled - burned) / 1e9 },
  ];
}
