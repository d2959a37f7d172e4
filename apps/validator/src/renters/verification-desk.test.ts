/** A renter lets a validator into their pod: the result is signed, can be audited by anyone, and is never a receipt. */

import { keyFromUri, verifyDocument } from '@celium/chain';
import { bindingOfReceipt, canonicalJson, claimOfReceipt, verificationFileSchema } from '@celium/contract';
import { checkClaim, parseTranscript, type ProofClaim } from '@celium/proof';
import { afterEach, expect, test } from 'vitest';
import { openCheckBench, VALIDATOR, type CheckBench } from '../testing/check-bench.ts';
import { MARKET } from '../testing/local-agent.ts';
import { VerificationDesk } from './verification-desk.ts';

const LISTED = { class: 'CPU', verdict: 'pass' } as const;
const benches: CheckBench[] = [];
afterEach(() => {
  for (const bench of benches.splice(0)) bench.close();
});

function openDesk(options: Parameters<typeof openCheckBench>[0] = {}): { bench: CheckBench; desk: VerificationDesk } {
  const bench = openCheckBench(options);
  benches.push(bench);
  const { ports, known } = bench;
  const machineOf = (key: string) => (key === known.machine.machineKey ? known : null);
  return { bench, desk: new VerificationDesk({ ...ports, machineOf }) };
}

async function ended(desk: VerificationDesk, id: string): Promise<ReturnType<VerificationDesk['view']>> {
  for (;;) {
    const view = desk.view(id);
    if (view.state === 'done' || view.state === 'failed') return view;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a rented pod is verified in its own lease, and the signed result can be audited by anyone', async () => {
  const { bench, desk } = openDesk();
  const grant = await bench.agent.leaseTo(MARKET, bench.known.machine.units);
  const offer = desk.open(grant, LISTED);
  expect(offer.sshKey).toMatch(/^ssh-ed25519 /);
  expect(desk.start(offer.verificationId).state).toBe('running');
  const { files, state } = await ended(desk, offer.verificationId);
  expect(state).toBe('done');
  const file = verificationFileSchema.parse(files[0]);
  const verified = verifyDocument('verification', file.verification);
  expect(verified.ok && verified.ss58).toBe(VALIDATOR.ss58);
  const { body } = file.verification;
  expect(body).toMatchObject({ verdict: 'pass', verifier: VALIDATOR.ss58, listed: LISTED });
  expect(Buffer.byteLength(canonicalJson(body))).toBeLessThanOrEqual(2_048);
  const parsed = parseTranscript(JSON.stringify(file.transcript));
  if (!parsed.ok) throw new Error('no transcript');
  expect(parsed.transcript.binding).toEqual(bindingOfReceipt(body, bench.known.hotkeyHex));
  expect(checkClaim(claimOfReceipt(body) as unknown as ProofClaim, parsed.transcript).ok).toBe(true);
});

test('what it finds counts for no score and reaches no log: it is no receipt', async () => {
  const { bench, desk } = openDesk({ shells: { cheat: 'skip' } });
  const grant = await bench.agent.leaseTo(MARKET, bench.known.machine.units);
  const { verificationId } = desk.open(grant, LISTED);
  desk.start(verificationId);
  const { files } = await ended(desk, verificationId);
  expect(files[0]?.verification.body).toMatchObject({ verdict: 'fail', reason: { code: 'skipped-work' } });
  expect(bench.ports.receipts.logPosition().height).toBe(0);
  expect(bench.ports.receipts.verdicts(bench.known.machine.machineKey, 10)).toEqual([]);
});

test('a grant of another key, of a check, or of an unknown machine opens nothing', async () => {
  const { bench, desk } = openDesk();
  const { units } = bench.known.machine;
  const grant = await bench.agent.leaseTo(MARKET, units);
  const foreign = await bench.agent.leaseTo(MARKET, units, keyFromUri('//Mallory'));
  expect(() => desk.open(foreign, LISTED)).toThrow('No manifest');
  expect(() => desk.open({ ...foreign, signer: grant.signer }, LISTED)).toThrow('The grant');
  expect(() => desk.open({ ...grant, body: { ...grant.body, kind: 'verification' } }, LISTED)).toThrow('The grant');
  expect(() => desk.view(crypto.randomUUID())).toThrow('No such verification');
});

test('a machine is verified for one renter at a time', async () => {
  const { bench, desk } = openDesk();
  const grant = await bench.agent.leaseTo(MARKET, bench.known.machine.units);
  const { verificationId } = desk.open(grant, LISTED);
  expect(() => desk.open(grant, LISTED)).toThrow('already');
  desk.start(verificationId);
  await ended(desk, verificationId);
  expect(desk.open(grant, LISTED).verificationId).not.toBe(verificationId);
});
