/** A proof file: what a receipt claims, in the forms in which the proof is checked offline. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { signedSchema } from './envelope.ts';
import { bindingOfReceipt, claimOfReceipt, PROOF_FILE_FORM, proofFileSchema } from './proof-file.ts';

const read = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../../golden/documents/${name}.json`), 'utf8'));
const passed = signedSchema('receipt').parse(read('receipt')).body;
const failed = signedSchema('receipt').parse(read('receipt.fail')).body;

test('a proof file holds receipt, grant and transcript, and fields that are not known yet', () => {
  const file = { form: PROOF_FILE_FORM, receipt: read('receipt'), grant: read('grant'), transcript: null, later: 1 };
  expect(proofFileSchema.parse(file)).toEqual(file);
  expect(proofFileSchema.safeParse({ ...file, form: 'celium/proof-file/2' }).success).toBe(false);
});

test('the claim of a receipt is what its figures and verdict say', () => {
  expect(claimOfReceipt(passed)).toMatchObject({
    params: { sizeClass: 'cpu-demo', purpose: 'onboarding' },
    transcriptHash: passed.transcriptHash,
    verdict: 'pass',
    reason: 'none',
    figures: { tiles: 64, leaves: 64, walks: 16 },
  });
  expect(claimOfReceipt(failed)).toMatchObject({ verdict: 'fail', reason: 'late', detail: failed.reason.message });
});

test('a check that ended before a proof began claims nothing', () => {
  const { proof: _none, ...without } = failed;
  expect(claimOfReceipt(without as typeof failed)).toBeNull();
  expect(claimOfReceipt({ ...failed, proof: { figures: { tiles: 1.5 } } })).toBeNull();
});

test('a transcript is bound to everything that the receipt names', () => {
  expect(bindingOfReceipt(passed, 'ab')).toEqual({
    blockHash: passed.blockHash,
    hotkey: 'ab',
    machineKey: passed.machineKey,
    grantHash: passed.grantHash,
    hostKeyHash: passed.hostKeyHash,
    unit: 'cpu:laptop',
    barrierId: 'cpu:laptop',
  });
});
