/** What a receipt says of the pair that its unit led, against the pair's transcript in the same file. */

import { pairClaimOfReceipt, type ProofFile, type Receipt } from '@celium/contract';
import { checkPairClaim, type PairClaim, parsePairTranscript, type ProofTranscript } from '@celium/proof';
import type { Finding } from './verify-file.ts';

/** The findings on the pair of a receipt; none where it tells of none. */
export function pairFindings(receipt: Receipt, file: ProofFile, ofUnit: ProofTranscript): Finding[] {
  const claim = pairClaimOfReceipt(receipt) as PairClaim | null;
  if (claim === null) return [];
  const parsed = parsePairTranscript(JSON.stringify(file.pairTranscript ?? null));
  if (!parsed.ok) return [{ check: 'pair', ok: false, detail: 'the file holds no transcript of the pair' }];
  const { transcript } = parsed;
  const { params, binding, nonce } = ofUnit;
  const isLead = JSON.stringify(sorted(transcript.lead)) === JSON.stringify(sorted({ params, binding, nonce }));
  const covered = file.grant.body.units.includes(claim.peer);
  return [
    { check: 'pair-lead', ok: isLead, detail: 'the memory of the lead is the one that was proven here' },
    { check: 'pair-lease', ok: covered, detail: 'the lease covers both units' },
    ...checkPairClaim(claim, transcript).findings,
  ];
}

/** The same value with the members of its objects in order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}
