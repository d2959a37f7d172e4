/** Who may ask an agent for a lease, and of which kind: a market that the manifest lists, a validator with a permit on chain. */
import type { LeaseKind } from './lease.ts';

export type AuthorityKind = 'market' | 'validator' | 'holder';

/** `needs-permit`: only the chain can tell; ask it, then say so in `hasPermit`. */
export type AuthorityVerdict =
  | 'allowed'
  | 'needs-permit'
  | 'market-not-listed'
  | 'market-asks-other-than-paid'
  | 'validator-asks-other-than-verification'
  | 'validator-without-permit'
  | 'holders-not-supported';

/**
 * Whether an authority may ask for a lease of this kind.
 *
 * @param isListedMarket the machine's manifest lists the signer's key among its markets
 * @param hasPermit the signer's hotkey has a validator permit; null when the chain was not asked yet
 */
export function judgeAuthority(
  ask: { authorityKind: AuthorityKind; kind: LeaseKind },
  signer: { isListedMarket: boolean; hasPermit: boolean | null },
): AuthorityVerdict {
  switch (ask.authorityKind) {
    case 'market':
      if (!signer.isListedMarket) return 'market-not-listed';
      return ask.kind === 'paid' ? 'allowed' : 'market-asks-other-than-paid';
    case 'validator':
      if (ask.kind !== 'verification') return 'validator-asks-other-than-verification';
      if (signer.hasPermit === null) return 'needs-permit';
      return signer.hasPermit ? 'allowed' : 'validator-without-permit';
    case 'holder':
      return 'holders-not-supported';
  }
}
