/** A proof file is checked to the last byte: made here by a real prover process and the validator's own code, then changed in every part. */

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { documentHash, keyFromUri, signDocument, toHex, type KeyPair } from '@celium/chain';
import {
  ERRORS,
  PROOF_FILE_FORM,
  VERIFICATION_FILE_FORM,
  type ProofFile,
  type Receipt,
  type Verification,
  type VerificationFile,
} from '@celium/contract';
import { auditTranscript, judgeChallenge, proofParams, runChallenge, systemClock } from '@celium/proof';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MACHINE_KEY, sampleGrant } from '../testing/samples.ts';
import { runCelium } from '../testing/terminal.ts';
import { readProofFile, verifyProofFile } from './verify-file.ts';

const PROVER = fileURLToPath(new URL('../../../prover/src/main.ts', import.meta.url));
const DECLARED_RATE = 100;

const validator = keyFromUri('//Validator');
const hotkey = keyFromUri('//Hotkey');
let folder = '';
let file: ProofFile;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'celium-proof-'));
  file = await makeProofFile();
});
afterAll(() => rmSync(folder, { recursive: true }));

async function makeProofFile(): Promise<ProofFile> {
  const grant = await sampleGrant();
  const binding = {
    blockHash: 'ab'.repeat(32),
    hotkey: toHex(hotkey.publicKey),
    machineKey: MACHINE_KEY,
    grantHash: documentHash(grant),
    hostKeyHash: createHash('sha256')
      .update(Buffer.from(grant.body.hostKey.split(' ')[1] ?? '', 'base64'))
      .digest('hex'),
    unit: 'cpu:rack-7',
    barrierId: '',
  };
  const prover = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROVER], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const result = await runChallenge({
    transport: {
      write: (text) => void prover.stdin.write(text),
      onData: (listener) => void prover.stdout.on('data', listener),
      onClose: (listener) => void prover.stdout.on('close', listener),
    },
    clock: systemClock,
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    params: proofParams('micro', 'onboarding'),
    binding,
    declaredRateUnitsPerSecond: DECLARED_RATE,
  });
  prover.kill();
  expect(result.failure).toBeNull();
  const claim = judgeChallenge({
    result,
    audit: auditTranscript(result.transcript),
    declaredRateUnitsPerSecond: DECLARED_RATE,
  });
  const body: Receipt = {
    receiptId: '4be1c0de-51b4-4a53-9a55-0b6b1f1f2b22',
    validator: validator.ss58,
    hotkey: hotkey.ss58,
    machineId: 'rack-7',
    machineKey: MACHINE_KEY,
    unit: binding.unit,
    grantHash: binding.grantHash,
    hostKeyHash: binding.hostKeyHash,
    barrierId: '',
    blockNumber: 1,
    blockHash: binding.blockHash,
    params: 'cgp1/params/1:micro',
    onboarding: true,
    transcriptHash: claim.transcriptHash,
    verdict: claim.verdict,
    reason: { code: claim.verdict === 'pass' ? 'OK' : claim.reason, message: claim.detail },
    measured: {
      class: 'CPU',
      workPerSecond: 1,
      memoryBytes: 1,
      sweepBytesPerSecond: 1,
      walkHopsPerSecond: 1,
      int8OpsPerSecond: 1,
      proofMs: Math.max(0, claim.figures.elapsedMs),
      deadlineMs: claim.figures.limitMs,
      rttMs: 0,
    },
    tested: 1,
    leased: 0,
    startedAtMs: 1,
    endedAtMs: 2,
    proof: { params: claim.params, figures: claim.figures },
  };
  const receipt = await signDocument('receipt', body, validator);
  return { form: PROOF_FILE_FORM, receipt, grant, transcript: result.transcript };
}

/** Names of the findings that are wrong. */
function wrongIn(changed: ProofFile | VerificationFile): string[] {
  return verifyProofFile(changed)
    .findings.filter((finding) => !finding.ok)
    .map((finding) => finding.check);
}

async function withReceipt(changes: Partial<Receipt>, signer = validator): Promise<ProofFile> {
  return { ...file, receipt: await signDocument('receipt', { ...file.receipt.body, ...changes }, signer) };
}

test('a file as the validator made it is confirmed, with what was audited', () => {
  const verdict = verifyProofFile(readProofFile(JSON.stringify(file)));
  expect(verdict.findings.filter((finding) => !finding.ok)).toEqual([]);
  expect(verdict).toMatchObject({
    ok: true,
    class: 'CPU',
    unit: 'cpu:rack-7',
    audited: proofParams('micro', 'onboarding').audit,
  });
});

test('a changed receipt, a foreign signer, another grant and another binding are each found', async () => {
  const changed = { ...file, receipt: { ...file.receipt, body: { ...file.receipt.body, machineId: 'other' } } };
  expect(wrongIn(changed)).toContain('receipt-signature');
  expect(wrongIn(await withReceipt({}, keyFromUri('//Mallory')))).toEqual(['receipt-signature']);
  expect(wrongIn({ ...file, grant: await sampleGrant({ fence: 7 }) })).toEqual(['grant']);
  expect(wrongIn({ ...file, grant: await sampleGrant({}, keyFromUri('//Mallory')) })).toContain('grant-signature');
  expect(wrongIn(await withReceipt({ barrierId: 'elsewhere' }))).toEqual(['binding']);
  expect(wrongIn(await withReceipt({ hostKeyHash: 'ff'.repeat(32) }))).toEqual(['host-key', 'binding']);
});

test('a verdict that the transcript does not bear is found', async () => {
  const flipped = await withReceipt({ verdict: 'fail', reason: { code: 'skipped-work', message: '' } });
  expect(wrongIn(flipped)).toContain('audit');
  const transcript = structuredClone(file.transcript) as { openings: Array<{ digests: string }> };
  const opening = transcript.openings[0] as { digests: string };
  opening.digests = `${opening.digests.startsWith('0') ? '1' : '0'}${opening.digests.slice(1)}`;
  expect(wrongIn({ ...file, transcript })).toEqual(expect.arrayContaining(['transcript-hash', 'audit']));
});

test('a renter’s own verification is checked like a receipt, under the key that it names', async () => {
  const { receiptId: _, validator: __, tested: ___, leased: ____, ...shared } = file.receipt.body;
  const renter = keyFromUri('//Renter');
  const own = async (signer: KeyPair, changes: Partial<Verification> = {}): Promise<VerificationFile> => {
    const listed = { class: 'CPU', verdict: 'pass' } as const;
    const body = { ...shared, verificationId: crypto.randomUUID(), verifier: renter.ss58, listed, ...changes };
    const verification = await signDocument('verification', body as Verification, signer);
    return { form: VERIFICATION_FILE_FORM, verification, grant: file.grant, transcript: file.transcript };
  };
  const good = verifyProofFile(readProofFile(JSON.stringify(await own(renter))));
  expect(good).toMatchObject({ ok: true, kind: 'verification', signedBy: renter.ss58 });
  expect(wrongIn(await own(keyFromUri('//Mallory')))).toEqual(['verification-signature']);
  expect(wrongIn(await own(renter, { barrierId: 'elsewhere' }))).toEqual(['binding']);
  const mixed = { ...file, form: VERIFICATION_FILE_FORM };
  expect(() => readProofFile(JSON.stringify(mixed))).toThrow('no proof file');
});

test('what is no proof file, or has nothing to audit, is refused with words', () => {
  expect(() => readProofFile('{')).toThrow('not JSON');
  expect(() => readProofFile('{"form":"x"}')).toThrow('no proof file');
  expect(() => verifyProofFile({ ...file, transcript: null })).toThrow('nothing to audit');
});

test('celium proof verify ends with 0 for a good file, and with the code’s status for others', async () => {
  const path = join(folder, 'proof.json');
  writeFileSync(path, JSON.stringify(file));
  const good = await runCelium(['proof', 'verify', path], { home: folder, isTerminal: true });
  expect(good.status).toBe(0);
  expect(good.stdout).toContain('ok  audit              every sampled answer is exact');
  const piped = await runCelium(['proof', 'verify', '-', '--json'], { home: folder, stdin: JSON.stringify(file) });
  expect(JSON.parse(piped.stdout)).toMatchObject({ ok: true, verdict: file.receipt.body.verdict });
  writeFileSync(path, JSON.stringify({ ...file, grant: await sampleGrant({ fence: 7 }) }));
  const bad = await runCelium(['proof', 'verify', path], { home: folder });
  expect(bad.status).toBe(ERRORS.PROOF_FAILED.exit);
  expect((await runCelium(['proof', 'verify', join(folder, 'none')], { home: folder })).status).toBe(
    ERRORS.BAD_PROOF_FILE.exit,
  );
});
