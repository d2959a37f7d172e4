/** Repeats a validator's check, or a renter's own verification, from its proof file, offline: signatures, bindings, and every sampled answer computed again. */

import { createHash } from 'node:crypto';
import { decodeSs58, documentHash, toHex, verifyDocument } from '@celium/chain';
import {
  bindingOfReceipt,
  CeliumError,
  claimOfReceipt,
  PROOF_FILE_FORM,
  proofFileSchema,
  parseStrangersJson,
  VERIFICATION_FILE_FORM,
  verificationFileSchema,
  type ProofFile,
  type Receipt,
  type Verification,
  type VerificationFile,
} from '@celium/contract';
import { checkClaim, parseTranscript, type ProofClaim, type ProofTranscript } from '@celium/proof';
import { pairFindings } from './verify-pair.ts';

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
  /** What was checked: a validator's receipt, or a renter's own verification. */
  kind: 'receipt' | 'verification';
  /** Its id. */
  id: string;
  /** The key that it names as its maker. */
  signedBy: string;
  machineId: string;
  unit: string;
  class: string;
  /** The maker's verdict and its reason. */
  verdict: 'pass' | 'fail';
  reason: string;
  /** When the check ended, by the maker's word. */
  endedAtMs: number;
  proofMs: number;
  findings: Finding[];
  /** What the repeated audit cost here. */
  auditCpuSeconds: number;
  audited: { tiles: number; leaves: number; walks: number };
}

/** Reads a proof file of either form. Throws `BAD_PROOF_FILE` with what is wrong with it. */
export function readProofFile(text: string): ProofFile | VerificationFile {
  if (text.length > MAX_PROOF_FILE_CHARACTERS)
    throw new CeliumError('BAD_PROOF_FILE', 'The file is larger than any proof.');
  let value: unknown;
  try {
    value = parseStrangersJson(text);
  } catch (cause) {
    throw new CeliumError('BAD_PROOF_FILE', 'The file is not JSON.', { cause });
  }
  const isVerification = (value as { form?: unknown } | null)?.form === VERIFICATION_FILE_FORM;
  const parsed = (isVerification ? verificationFileSchema : proofFileSchema).safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined ? 'its form' : `${issue.path.map(String).join('.') || 'file'}: ${issue.message}`;
  const form = isVerification ? VERIFICATION_FILE_FORM : PROOF_FILE_FORM;
  throw new CeliumError('BAD_PROOF_FILE', `This is no proof file (${form}): ${where}.`);
}

/** What a file of either form says, and what its signature says of it. */
interface Statement {
  kind: FileVerdict['kind'];
  id: string;
  signedBy: string;
  body: Receipt | Verification;
  signature: Finding;
}

function statementOf(file: ProofFile | VerificationFile): Statement {
  if ('verification' in file) {
    const { body } = file.verification as VerificationFile['verification'];
    const verified = verifyDocument('verification', file.verification);
    const signature = signatureFinding('verification', verified, body.verifier);
    return { kind: 'verification', id: body.verificationId, signedBy: body.verifier, body, signature };
  }
  const { body } = file.receipt as ProofFile['receipt'];
  const signature = signatureFinding('receipt', verifyDocument('receipt', file.receipt), body.validator);
  return { kind: 'receipt', id: body.receiptId, signedBy: body.validator, body, signature };
}

/** Checks a proof file. Throws `BAD_PROOF_FILE` only when there is no transcript that could be audited. */
export function verifyProofFile(file: ProofFile | VerificationFile): FileVerdict {
  const { body: receipt, ...statement } = statementOf(file);
  const findings: Finding[] = [statement.signature, ...grantFindings(receipt, file.grant)];
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
  if (!('verification' in file))
    findings.push(...pairFindings(receipt as Receipt, file as ProofFile, parsed.transcript));
  return {
    ok: findings.every((finding) => finding.ok),
    kind: statement.kind,
    id: statement.id,
    signedBy: statement.signedBy,
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

function signatureFinding(
  kind: Statement['kind'],
  verified: { ok: true; ss58: string } | { ok: false; message: string },
  named: string,
): Finding {
  const check = `${kind}-signature`;
  if (!verified.ok) return { check, ok: false, detail: verified.message };
  const own = verified.ss58 === named;
  const detail = own ? `signed by ${verified.ss58}` : `signed by ${verified.ss58}, but it names ${named}`;
  return { check, ok: own, detail };
}

function grantFindings(body: Receipt | Verification, grant: ProofFile['grant']): Finding[] {
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
      detail: hostKeyHash === body.hostKeyHash ? 'the host key of the grant was seen' : 'another host key was seen',
    },
  ];
}

function bindingFinding(receipt: Receipt | Verification, transcript: ProofTranscript): Finding {
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
