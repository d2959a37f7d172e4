/** Repeats a validator's check from its proof file, offline: signatures, bindings, and every sampled answer computed again. */

import { createHash } from 'node:crypto';
import { decodeSs58, documentHash, toHex, verifyDocument } from '@celium/chain';
import {
  bindingOfReceipt,
  CeliumError,
  claimOfReceipt,
  PROOF_FILE_FORM,
  proofFileSchema,
  parseStrangersJson,
  type ProofFile,
  type Receipt,
} from '@celium/contract';
import { checkClaim, parseTranscript, type ProofClaim, type ProofTranscript } from '@celium/proof';

/** The largest proof file that is read, in characters: a transcript has at most four million. */
export const MAX_PROOF_FILE_CHARACTERS = 8_000_000;

/** One thing that was checked. */
export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
}

export interface FileVerdict {
  /** All findings are good: the receipt says what its transcript shows, whatever the verdict is. */
  ok: boolean;
  receiptId: string;
  validator: string;
  machineId: string;
  unit: string;
  class: string;
  /** The validator's verdict and its reason. */
  verdict: 'pass' | 'fail';
  reason: string;
  /** When the check ended, by the validator's word. */
  endedAtMs: number;
  proofMs: number;
  findings: Finding[];
  /** What the repeated audit cost here. */
  auditCpuSeconds: number;
  audited: { tiles: number; leaves: number; walks: number };
}

/** Reads a proof file. Throws `BAD_PROOF_FILE` with what is wrong with it. */
export function readProofFile(text: string): ProofFile {
  if (text.length > MAX_PROOF_FILE_CHARACTERS)
    throw new CeliumError('BAD_PROOF_FILE', 'The file is larger than any proof.');
  let value: unknown;
  try {
    value = parseStrangersJson(text);
  } catch (cause) {
    throw new CeliumError('BAD_PROOF_FILE', 'The file is not JSON.', { cause });
  }
  const parsed = proofFileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined ? 'its form' : `${issue.path.map(String).join('.') || 'file'}: ${issue.message}`;
  throw new CeliumError('BAD_PROOF_FILE', `This is no proof file (${PROOF_FILE_FORM}): ${where}.`);
}

/** Checks a proof file. Throws `BAD_PROOF_FILE` only when there is no transcript that could be audited. */
export function verifyProofFile(file: ProofFile): FileVerdict {
  const receipt = file.receipt.body;
  const findings: Finding[] = [signatureFinding(file), ...grantFindings(file)];
  const claim = claimOfReceipt(receipt) as ProofClaim | null;
  if (claim === null || file.transcript === null || file.transcript === undefined) {
    throw new CeliumError(
      'BAD_PROOF_FILE',
      `There is nothing to audit: the check ended before a proof (${receipt.reason.code}: ${receipt.reason.message}).`,
    );
  }
  const parsed = parseTranscript(JSON.stringify(file.transcript));
  if (!parsed.ok) throw new CeliumError('BAD_PROOF_FILE', `The transcript cannot be read: ${parsed.failure.detail}.`);
  findings.push(bindingFinding(receipt, parsed.transcript));
  const before = process.cpuUsage();
  const checked = checkClaim(claim, parsed.transcript);
  const spent = process.cpuUsage(before);
  findings.push(...checked.findings);
  return {
    ok: findings.every((finding) => finding.ok),
    receiptId: receipt.receiptId,
    validator: receipt.validator,
    machineId: receipt.machineId,
    unit: receipt.unit,
    class: receipt.measured.class,
    verdict: receipt.verdict,
    reason: receipt.reason.code,
    endedAtMs: receipt.endedAtMs,
    proofMs: receipt.measured.proofMs,
    findings,
    auditCpuSeconds: (spent.user + spent.system) / 1e6,
    audited: checked.audit.checked,
  };
}

function signatureFinding(file: ProofFile): Finding {
  const verified = verifyDocument('receipt', file.receipt);
  if (!verified.ok) return { check: 'receipt-signature', ok: false, detail: verified.message };
  const own = verified.ss58 === verified.body.validator;
  const detail = own
    ? `signed by ${verified.ss58}`
    : `signed by ${verified.ss58}, but it names ${verified.body.validator}`;
  return { check: 'receipt-signature', ok: own, detail };
}

function grantFindings({ receipt, grant }: ProofFile): Finding[] {
  const { body } = receipt;
  const verified = verifyDocument('grant', grant, { signer: body.machineKey });
  const hash = documentHash(grant);
  const covers = grant.body.units.includes(body.unit) && grant.body.machineId === body.machineId;
  const blob = Buffer.from(grant.body.hostKey.split(' ')[1] ?? '', 'base64');
  const hostKeyHash = createHash('sha256').update(blob).digest('hex');
  return [
    {
      check: 'grant-signature',
      ok: verified.ok,
      detail: verified.ok ? 'signed by the machine’s key' : verified.message,
    },
    { check: 'grant', ok: hash === body.grantHash && covers, detail: `the grant hashes to ${hash}` },
    {
      check: 'host-key',
      // A receipt that refuses another host key than the grant's is right to name another one.
      ok: hostKeyHash === body.hostKeyHash || (body.verdict === 'fail' && body.transcriptHash === ''),
      detail:
        hostKeyHash === body.hostKeyHash
          ? 'the validator saw the host key of the grant'
          : 'the validator saw another host key',
    },
  ];
}

function bindingFinding(receipt: Receipt, transcript: ProofTranscript): Finding {
  const expected = bindingOfReceipt(receipt, toHex(decodeSs58(receipt.hotkey)));
  const binding = transcript.binding as unknown as Record<string, string>;
  const wrong = Object.keys(expected).filter((name) => binding[name] !== expected[name]);
  return {
    check: 'binding',
    ok: wrong.length === 0,
    detail:
      wrong.length === 0
        ? 'block, hotkey, machine, grant, host key, unit and barrier are in the seed'
        : `differs in ${wrong.join(', ')}`,
  };
}
