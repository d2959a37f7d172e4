/** Who may ask for a lease: a market that the manifest lists, a validator with a permit on chain. */
import { encodeSs58 } from '@celium/chain';
import type { ErrorCode, LeaseRequest, ManifestMachine } from '@celium/contract';
import { judgeAuthority, type AuthorityVerdict } from '@celium/domain';
import type { Clock } from '../clock.ts';

/** Tells whether a hotkey (SS58) has a validator permit. Throws when the chain does not answer. */
export type HasPermit = (hotkey: string) => Promise<boolean>;

/** Why an authority may not ask for this, or null. */
export interface AuthorityFault {
  code: Extract<ErrorCode, 'KEY_NOT_DELEGATED' | 'CHAIN_UNAVAILABLE' | 'UNSUPPORTED'>;
  message: string;
}

/** What the signer of a request may ask for, by domain's rule. `signer` is the public key in hex, `hotkey` its address. */
export async function faultOfAuthority(
  request: Pick<LeaseRequest, 'authorityKind' | 'kind'>,
  signer: string,
  hotkey: string,
  machine: ManifestMachine,
  hasPermit: HasPermit,
): Promise<AuthorityFault | null> {
  const isListedMarket = machine.markets.some((market) => market.key === signer);
  const verdict = judgeAuthority(request, { isListedMarket, hasPermit: null });
  if (verdict !== 'needs-permit') return faultOfVerdict(verdict, hotkey);
  try {
    return faultOfVerdict(judgeAuthority(request, { isListedMarket, hasPermit: await hasPermit(hotkey) }), hotkey);
  } catch (fault) {
    return refuse(
      'CHAIN_UNAVAILABLE',
      `the agent cannot ask the chain for validator permits: ${fault instanceof Error ? fault.message : String(fault)}`,
    );
  }
}

/** Who may read the host's inventory: whoever might lease here. Null for them. */
export async function faultOfReader(
  signer: string,
  machine: ManifestMachine,
  hasPermit: HasPermit,
): Promise<AuthorityFault | null> {
  const isListedMarket = machine.markets.some((market) => market.key === signer);
  const reader = isListedMarket
    ? ({ authorityKind: 'market', kind: 'paid' } as const)
    : ({ authorityKind: 'validator', kind: 'verification' } as const);
  return faultOfAuthority(reader, signer, encodeSs58(Buffer.from(signer, 'hex')), machine, hasPermit);
}

/** A verdict in words for the one who asked. */
function faultOfVerdict(verdict: AuthorityVerdict, hotkey: string): AuthorityFault | null {
  switch (verdict) {
    case 'allowed':
      return null;
    case 'market-not-listed':
      return refuse('KEY_NOT_DELEGATED', 'the manifest does not list this market for this machine');
    case 'market-asks-other-than-paid':
      return refuse('KEY_NOT_DELEGATED', 'a market may ask for paid leases only');
    case 'validator-asks-other-than-verification':
      return refuse('KEY_NOT_DELEGATED', 'a validator may ask for verification leases only');
    case 'needs-permit':
    case 'validator-without-permit':
      return refuse('KEY_NOT_DELEGATED', `${hotkey} has no validator permit on this subnet`);
    case 'holders-not-supported':
      return refuse('UNSUPPORTED', 'this version grants no leases for allotments yet');
  }
}

/**
 * Validator permits as the chain has them, asked at most once per `maxAgeMs`. An unknown hotkey is looked up again after
 * `retryMs`, so that a new validator need not wait.
 */
export function cachedPermits(
  readPermits: () => Promise<ReadonlySet<string>>,
  clock: Clock,
  maxAgeMs = 60_000,
  retryMs = 2_000,
): HasPermit {
  let known: { permits: ReadonlySet<string>; atMs: number } | null = null;
  let asking: Promise<ReadonlySet<string>> | null = null;
  return async (hotkey) => {
    const ageMs = known === null ? Infinity : clock.monotonicMs() - known.atMs;
    if (known !== null && ageMs < (known.permits.has(hotkey) ? maxAgeMs : retryMs)) return known.permits.has(hotkey);
    asking ??= readPermits().finally(() => (asking = null));
    const permits = await asking;
    known = { permits, atMs: clock.monotonicMs() };
    return permits.has(hotkey);
  };
}

function refuse(code: AuthorityFault['code'], message: string): AuthorityFault {
  return { code, message };
}
