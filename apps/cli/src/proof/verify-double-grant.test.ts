/** Anybody repeats the conviction of a machine from the evidence alone; evidence that proves nothing is refused. */
import { keyFromUri, signDocument, toHex } from '@celium/chain';
import { DOUBLE_GRANT_FILE_FORM, type Grant } from '@celium/contract';
import { expect, test } from 'vitest';
import { verifyDoubleGrantFile } from './verify-double-grant.ts';

const machine = keyFromUri('//Machine');
const machineKey = toHex(machine.publicKey);

async function grant(number: number, fence: number) {
  const body: Grant = {
    leaseId: `00000000-0000-4000-8000-00000000000${number}`,
    requestId: `00000000-0000-4000-8000-00000000001${number}`,
    requestHash: 'ab'.repeat(32),
    authority: 'cd'.repeat(32),
    machineId: 'm',
    units: ['cpu:m'],
    fence,
    kind: 'paid',
    termMs: 86_400_000,
    hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH',
    ports: [{ pod: 22, host: 40_001 }],
    bootId: 'boot',
    agentInstanceId: 'run',
    issuedAtMs: fence,
  };
  return signDocument('grant', body, machine);
}

const textOf = (grants: unknown[]): string =>
  JSON.stringify({ form: DOUBLE_GRANT_FILE_FORM, machineKey, grants, log: null });

test('two grants of one fence convict their machine key', async () => {
  expect(verifyDoubleGrantFile(textOf([await grant(1, 5), await grant(2, 5)]))).toMatchObject({
    kind: 'double-grant',
    machineKey,
    proof: 'fence',
    unit: 'cpu:m',
  });
});

test('grants that follow each other prove nothing, a broken file is none, and other files are left to others', async () => {
  const fits = textOf([await grant(1, 5), await grant(2, 6)]);
  expect(() => verifyDoubleGrantFile(fits)).toThrowError(expect.objectContaining({ code: 'PROOF_FAILED' }));
  expect(() => verifyDoubleGrantFile(textOf([{}]))).toThrowError(expect.objectContaining({ code: 'BAD_PROOF_FILE' }));
  expect(verifyDoubleGrantFile('{"form":"celium/proof-file/1"}')).toBeNull();
  expect(verifyDoubleGrantFile(`not JSON ${DOUBLE_GRANT_FILE_FORM}`)).toBeNull();
});
