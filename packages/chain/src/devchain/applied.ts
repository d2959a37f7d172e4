/** What every rule of the devchain answers. */
import type { ChainState } from './state.ts';

/** A rule's answer: the state afterwards, or the chain's name for what is wrong. */
export type Applied =
  | { readonly ok: true; readonly state: ChainState }
  | { readonly ok: false; readonly error: string };

/** A refusal by its chain name. */
export function refuse(error: string): Applied {
  return { ok: false, error };
}

/** An accepted change. */
export function done(state: ChainState): Applied {
  return { ok: true, state };
}
