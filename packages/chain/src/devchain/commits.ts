/** Commit-reveal, by the pallet's rules: a queue of sealed rows that the chain opens in their reveal epoch, and hashed commits that their makers open. */
import { fromHex } from '../keys/bytes.ts';
import { decodeSs58, type Ss58 } from '../keys/ss58.ts';
import { roundAt } from '../commit-reveal/drand.ts';
import { epochOfBlock } from '../commit-reveal/reveal-plan.ts';
import { decodeWeightsPayload, isPayloadOf, weightsCommitHash } from '../commit-reveal/weights-payload.ts';
import type { WeightsRow } from '../subnet-chain.ts';
import { done, refuse, type Applied } from './applied.ts';
import { scheduleOf } from './schedule.ts';
import { openFromRound } from './sealed-box.ts';
import { uidOf, withNeuron, type ChainState, type CommitState } from './state.ts';
import { isTooFast, storeWeights } from './weights.ts';

const MOST_UNREVEALED = 10;

/** Takes a sealed row into the queue of the present epoch. */
export function commitTimelocked(state: ChainState, hotkey: Ss58, sealed: string, round: number): Applied {
  return commit(state, hotkey, { mode: 'timelocked', commit: sealed, round });
}

/** Takes the hash of a row into the queue. */
export function commitHashed(state: ChainState, hotkey: Ss58, hash: string): Applied {
  return commit(state, hotkey, { mode: 'hashed', commit: hash, round: 0 });
}

/** Opens a hashed commit and sets its row; older commits of the hotkey are given up with it. */
export function revealWeights(
  state: ChainState,
  hotkey: Ss58,
  secret: { row: WeightsRow; salt: readonly number[]; versionKey: bigint },
): Applied {
  const { genesis } = state;
  if (!genesis.commitReveal) return refuse('CommitRevealDisabled');
  const mine = state.commits.filter((one) => one.hotkey === hotkey && one.mode === 'hashed');
  if (mine.length === 0) return refuse('NoWeightsCommitFound');
  const payload = { hotkey: decodeSs58(hotkey), row: secret.row, versionKey: secret.versionKey };
  const hash = weightsCommitHash(payload, genesis.netuid, secret.salt);
  const found = mine.find((one) => one.commit === hash);
  const live = mine.filter((one) => isLive(state, one));
  if (found === undefined)
    return refuse(live.length === 0 ? 'NoWeightsCommitFound' : 'InvalidRevealCommitHashNotMatch');
  if (!live.includes(found)) return refuse('ExpiredWeightCommit');
  if (revealEpochOf(state, found) > nextEpochIndex(state)) return refuse('RevealTooEarly');
  const stored = storeWeights(state, hotkey, secret.row, secret.versionKey, false);
  if (!stored.ok) return stored;
  const given = new Set(mine.slice(0, mine.indexOf(found) + 1));
  return done({ ...stored.state, commits: state.commits.filter((one) => !given.has(one)) });
}

/**
 * Opens what is due in block `number` at `timeMs`, in the order of the commits. A round that is not out yet is waited
 * for until the reveal epoch is over; a box that does not open, and a row that fails its checks, are dropped without a word.
 */
export function withReveals(state: ChainState, timeMs: number): ChainState {
  const { genesis, genesisHash, faults } = state;
  if (state.commits.length === 0) return state;
  const epoch = nextEpochIndex(state);
  const beacon = { publicKey: '', genesisMs: genesis.drandGenesisMs, periodMs: genesis.drandPeriodMs };
  const lastRound = roundAt(timeMs, beacon) - faults.lateDrandRounds;
  let next = state;
  const kept: CommitState[] = [];
  for (const one of state.commits) {
    const due = revealEpochOf(state, one);
    // An expired hash stays for one more epoch, so that its maker is told what is wrong with it.
    if (due < (one.mode === 'hashed' ? epoch - 1 : epoch)) continue;
    if (one.mode === 'hashed' || due > epoch || one.round > lastRound) {
      kept.push(one);
      continue;
    }
    const opened = openFromRound(genesisHash, one.round, fromHex(one.commit) ?? new Uint8Array());
    const payload = opened === null ? null : decodeWeightsPayload(opened);
    if (payload === null || !isPayloadOf(payload, decodeSs58(one.hotkey))) continue;
    const stored = storeWeights(next, one.hotkey, payload.row, payload.versionKey, false);
    if (stored.ok) next = stored.state;
  }
  return { ...next, commits: kept };
}

function commit(state: ChainState, hotkey: Ss58, what: Pick<CommitState, 'mode' | 'commit' | 'round'>): Applied {
  if (!state.genesis.commitReveal) return refuse('CommitRevealDisabled');
  const uid = uidOf(state, hotkey);
  const neuron = state.neurons[uid];
  if (neuron === undefined) return refuse('HotKeyNotRegisteredInSubNet');
  if (isTooFast(state, neuron)) return refuse('CommittingWeightsTooFast');
  const epoch = nextEpochIndex(state);
  const same = state.commits.filter(
    (one) =>
      one.hotkey === hotkey &&
      one.mode === what.mode &&
      (one.mode === 'hashed' ? isLive(state, one) : one.epoch === epoch),
  );
  if (same.length >= MOST_UNREVEALED) return refuse('TooManyUnrevealedCommits');
  const block = state.head.number + 1;
  const committed = withNeuron(state, uid, { ...neuron, weightsSetAt: block, lastUpdate: block });
  return done({ ...committed, commits: [...state.commits, { hotkey, epoch, block, ...what }] });
}

/** Index of the epoch that the open block counts for. */
function nextEpochIndex(state: ChainState): number {
  return epochOfBlock(scheduleOf(state), state.head.number + 1);
}

function isLive(state: ChainState, one: CommitState): boolean {
  return revealEpochOf(state, one) >= nextEpochIndex(state);
}

function revealEpochOf(state: ChainState, { epoch }: CommitState): number {
  return epoch + state.genesis.revealPeriodEpochs;
}
