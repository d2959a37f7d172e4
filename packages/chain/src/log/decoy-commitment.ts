/** Commitments to decoys: what is published at the time, and whether what is disclosed later is what was meant. */
import { createHash } from 'node:crypto';
import { canonicalJson, type DecoyCommitment, type DecoyDisclosure, type DecoyFacts } from '@celium/contract';

/** The leaf of one decoy. */
export function decoyLeaf(facts: DecoyFacts): string {
  return sha256(canonicalJson(facts));
}

/** The commitment to all decoys of a period; `leaves` in any order, none for a period without. */
export function commitToDecoys(period: number, salt: string, leaves: readonly string[]): DecoyCommitment {
  return { period, commitment: sha256(canonicalJson({ period, salt, leaves: leaves.toSorted() })) };
}

/** Why a disclosure is not what was committed to, or null when it is: every leaf shown, every decoy a leaf, each once. */
export function faultOfDisclosure(committed: DecoyCommitment, disclosed: DecoyDisclosure): string | null {
  const again = commitToDecoys(disclosed.period, disclosed.salt, disclosed.leaves);
  if (again.period !== committed.period) return 'another period than the commitment';
  if (again.commitment !== committed.commitment) return 'salt and leaves do not give the commitment';
  const shown = disclosed.decoys.map(({ facts }) => decoyLeaf(facts));
  if (canonicalJson(shown.toSorted()) !== canonicalJson(disclosed.leaves.toSorted()))
    return 'the decoys are not those of the leaves';
  const foreign = disclosed.decoys.some(({ facts, receipts }) =>
    receipts.some(({ body }) => body.grantHash !== facts.grantHash || body.machineKey !== facts.machineKey),
  );
  return foreign ? 'a receipt is not about its decoy' : null;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
