/** Repeats offline what convicted a machine of a double grant: its own signatures, its own log, the rule. */

import { checkDoubleGrant } from '@celium/chain';
import { CeliumError, DOUBLE_GRANT_FILE_FORM, doubleGrantFileSchema, parseStrangersJson } from '@celium/contract';
import { MAX_PROOF_FILE_CHARACTERS } from './verify-file.ts';

/** What a file proves of a machine key. */
export interface ProvenDoubleGrant {
  ok: true;
  kind: 'double-grant';
  machineKey: string;
  proof: string;
  unit: string;
  leaseIds: readonly string[];
}

/** What a file of this form proves; null when it is of another form. Throws `BAD_PROOF_FILE`, and `PROOF_FAILED` when it proves nothing. */
export function verifyDoubleGrantFile(text: string): ProvenDoubleGrant | null {
  if (text.length > MAX_PROOF_FILE_CHARACTERS || !text.includes(DOUBLE_GRANT_FILE_FORM)) return null;
  let value: unknown;
  try {
    value = parseStrangersJson(text);
  } catch {
    return null;
  }
  if ((value as { form?: unknown } | null)?.form !== DOUBLE_GRANT_FILE_FORM) return null;
  const file = doubleGrantFileSchema.safeParse(value);
  if (!file.success)
    throw new CeliumError('BAD_PROOF_FILE', `This is no evidence of a double grant (${DOUBLE_GRANT_FILE_FORM}).`);
  const checked = checkDoubleGrant(file.data);
  if (!checked.ok) throw new CeliumError('PROOF_FAILED', `The file proves no double grant: ${checked.message}.`);
  return { ok: true, kind: 'double-grant', machineKey: file.data.machineKey, ...checked.finding };
}
