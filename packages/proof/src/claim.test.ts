/** Claims and transcripts: an offline audit repeats the verdict, and no change to either goes unseen. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { challenge } from '../tests/fixtures.ts';
import { auditTranscript } from './audit.ts';
import { checkClaim, judgeChallenge } from './claim.ts';
import type { ProofClaim, ProofTranscript } from './contracts.ts';
import { PROOF_FAILURES } from './failures.ts';
import { encodeTranscript, hashTranscript, parseTranscript } from './transcript.ts';

test('a pass and every kind of failure is confirmed by an offline audit of its transcript', async () => {
  const cases = [
    {},
    { skippedTiles: 0.3 },
    { missingMemory: 0.3 },
    { seed: new Uint8Array(32) },
    { rootDelayMs: 8 },
    { rootDelayMs: 60 },
  ];
  for (const misconduct of cases) {
    const { claim, result } = await challenge(misconduct);
    expect(checkClaim(claim, result.transcript)).toMatchObject({ ok: true });
  }
});

test('a transcript survives the way through a file', async () => {
  const { result } = await challenge();
  const text = encodeTranscript(result.transcript);
  const parsed = parseTranscript(text);
  expect(parsed).toEqual({ ok: true, transcript: result.transcript });
  expect(text.startsWith('{"auditNonce":"')).toBe(true);
  expect(text.length).toBeLessThan(100_000);
});

test('a claim that says more or less than its transcript is caught by name', async () => {
  const { claim, result } = await challenge({ skippedTiles: 0.3 });
  const failing = (changed: ProofClaim): string[] =>
    checkClaim(changed, result.transcript)
      .findings.filter(({ ok }) => !ok)
      .map(({ check }) => check);
  expect(failing({ ...claim, verdict: 'pass', reason: 'none' })).toContain('audit');
  expect(failing({ ...claim, reason: 'wrong-seed' })).toContain('audit');
  expect(failing({ ...claim, reason: 'late' })).toEqual(['audit', 'deadline']);
  expect(failing({ ...claim, transcriptHash: '00'.repeat(32) })).toEqual(['transcript-hash']);
  expect(failing({ ...claim, params: { ...claim.params, purpose: 'routine' } })).toEqual(['parameters']);
  expect(failing({ ...claim, figures: { ...claim.figures, limitMs: 1e9 } })).toContain('figures');
  const good = await challenge();
  const late = { ...good.claim, figures: { ...good.claim.figures, elapsedMs: 1e6 } };
  expect(checkClaim(late, good.result.transcript).ok).toBe(false);
});

test('no change to a passing transcript passes its audit again', async () => {
  const { result } = await challenge({}, { purpose: 'routine' });
  const honest = result.transcript;
  const changes: ((transcript: ProofTranscript) => void)[] = [
    (t) => void (t.nonce = '00'.repeat(32)),
    (t) => void (t.startNonce = '00'.repeat(32)),
    (t) => void (t.auditNonce = '00'.repeat(32)),
    (t) => void (t.binding.hostKeyHash = '00'.repeat(32)),
    (t) => void (t.binding.hotkey = '00'.repeat(32)),
    (t) => void (t.binding.unit = 'cpu:other'),
    (t) => void (t.roots[3] = '00'.repeat(32)),
    (t) => void t.roots.pop(),
    (t) => void t.openings.pop(),
    (t) => void t.openings.reverse(),
    (t) => void (t.openings[0]!.digests = '00'.repeat(64)),
    (t) => void (t.params.purpose = 'onboarding'),
    (t) => void (t.params.memoryBytes = 16384),
  ];
  for (const change of changes) {
    const transcript = structuredClone(honest);
    change(transcript);
    expect(auditTranscript(transcript).ok).toBe(false);
    expect(hashTranscript(transcript)).not.toBe(hashTranscript(honest));
  }
});

test('two transcripts cannot be spliced', async () => {
  const [first, second] = await Promise.all([challenge({}, { random: 1 }), challenge({}, { random: 2 })]);
  const spliced = { ...first.result.transcript, openings: second.result.transcript.openings };
  expect(auditTranscript(spliced).ok).toBe(false);
  const replayed = { ...second.result.transcript, nonce: first.result.transcript.nonce };
  expect(auditTranscript(replayed).ok).toBe(false);
});

test('no text and no value makes the readers and the audit throw', async () => {
  const { result, claim } = await challenge({}, { purpose: 'routine' });
  const text = encodeTranscript(result.transcript);
  const mutated = fc.tuple(fc.nat(text.length), fc.nat(40), fc.string({ maxLength: 4 })).map(([at, cut, insert]) => {
    return text.slice(0, at) + insert + text.slice(at + cut);
  });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.string(), fc.json()), (input) => {
      const parsed = parseTranscript(input);
      if (!parsed.ok) expect(Object.keys(PROOF_FAILURES)).toContain(parsed.failure.code);
      else if (encodeTranscript(parsed.transcript) !== text) expect(auditTranscript(parsed.transcript).ok).toBe(false);
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.anything(), (value) => {
      expect(auditTranscript(value as ProofTranscript).ok).toBe(false);
      expect(checkClaim(claim, value as ProofTranscript).ok).toBe(false);
    }),
  );
  expect(parseTranscript('[1]'.padStart(5_000_000)).ok).toBe(false);
});

test('a complete challenge cannot be judged without its audit', async () => {
  const { result } = await challenge();
  expect(() => judgeChallenge({ result, audit: null, declaredRateUnitsPerSecond: 100 })).toThrow(TypeError);
});
