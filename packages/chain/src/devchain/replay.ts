/** Replaying a devchain's log: the same entries give the same states, or the log is damaged. */
import { CeliumError } from '@celium/contract';
import { applyOperation } from './apply.ts';
import { sealBlock } from './blocks.ts';
import { stateHash, type ChainState } from './state.ts';
import type { DevchainStore, LoggedEntry } from './store.ts';

/** The state after one log entry. Throws `INTERNAL` when the entry does not fit: the log is damaged. */
export function replayEntry(
  state: ChainState,
  entry: Exclude<LoggedEntry, { kind: 'reorg' }>,
  options: { checkSignatures: boolean },
): ChainState {
  if (entry.kind === 'faults') return { ...state, faults: entry.faults };
  if (entry.kind === 'operation') {
    const applied = applyOperation(state, entry.operation, !options.checkSignatures);
    if (applied.ok) return applied.state;
    throw new CeliumError(
      'INTERNAL',
      `the devchain log is damaged: an operation after block ${state.head.number} is ${applied.error}`,
    );
  }
  const sealed = sealBlock(state, entry.timeMs).state;
  if (sealed.head.hash === entry.hash && sealed.head.number === entry.number) return sealed;
  throw new CeliumError('INTERNAL', `the devchain log is damaged: block ${entry.number} does not replay to its hash`);
}

/** The state hash after replaying a whole store from its genesis, every signature checked again. */
export function replayDevchain(store: DevchainStore): string {
  const genesis = store.snapshot('genesis');
  if (genesis === null) throw new CeliumError('NOT_FOUND', 'the devchain store is empty');
  let state = genesis.state;
  // What is not final can be gone back to; nothing else is kept.
  const recent = new Map<number, ChainState>([[state.head.number, state]]);
  for (const entry of store.entriesAfter(genesis.seq)) {
    if (entry.kind === 'reorg') {
      const back = recent.get(entry.to);
      if (back === undefined) throw new CeliumError('INTERNAL', `the devchain log goes back to block ${entry.to}`);
      state = { ...back, finalized: state.finalized };
      recent.set(entry.to, state);
      continue;
    }
    state = replayEntry(state, entry, { checkSignatures: true });
    if (entry.kind !== 'block') continue;
    recent.set(state.head.number, state);
    for (const number of recent.keys()) if (number < state.finalized) recent.delete(number);
  }
  return stateHash(state);
}
