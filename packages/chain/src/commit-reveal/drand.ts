/** Drand's quicknet beacon, which opens timelocked weights: its key, and which round is published when. */

/** A beacon with unchained rounds. `publicKey` is its BLS12-381 key on G2, 96 bytes of hex. */
export interface Beacon {
  readonly publicKey: string;
  readonly genesisMs: number;
  readonly periodMs: number;
}

/** The beacon that the chain's Drand pallet follows. */
export const QUICKNET: Beacon = {
  publicKey:
    '83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a',
  genesisMs: 1_692_803_367_000,
  periodMs: 3_000,
};

/** The newest round published at `timeMs`; 0 before the first. */
export function roundAt(timeMs: number, beacon: Beacon = QUICKNET): number {
  return Math.max(0, Math.floor((timeMs - beacon.genesisMs) / beacon.periodMs) + 1);
}

/** The first round that is published no earlier than `timeMs`. */
export function firstRoundFrom(timeMs: number, beacon: Beacon = QUICKNET): number {
  return Math.max(1, Math.ceil((timeMs - beacon.genesisMs) / beacon.periodMs) + 1);
}
