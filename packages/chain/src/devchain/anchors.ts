/** Heads of logs that hotkeys anchor, by the Commitments pallet's rules: registered hotkeys, and so much space in an epoch. */
import type { Ss58 } from '../keys/ss58.ts';
import type { LogHead } from '../subnet-chain.ts';
import { done, refuse, type Applied } from './applied.ts';
import { uidOf, type ChainState } from './state.ts';

const SPACE_PER_EPOCH_BYTES = 3_100;
/** What a commitment counts for at least. */
const LEAST_BYTES = 100;

/** Replaces the hotkey's commitment; free of charge. */
export function anchorHead(state: ChainState, hotkey: Ss58, { height, hash }: LogHead): Applied {
  if (uidOf(state, hotkey) < 0) return refuse('HotKeyNotRegisteredInSubNet');
  const epoch = state.epoch.index;
  const before = state.anchors[hotkey];
  const usedBytes = (before?.epoch === epoch ? before.usedBytes : 0) + LEAST_BYTES;
  if (usedBytes > SPACE_PER_EPOCH_BYTES) return refuse('SpaceLimitExceeded');
  const anchor = { height, hash, block: state.head.number + 1, epoch, usedBytes };
  return done({ ...state, anchors: { ...state.anchors, [hotkey]: anchor } });
}
