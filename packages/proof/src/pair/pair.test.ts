/** Pairs of units: honest ones pass and can be audited from a file, everything else is refused with a reason, and vectors stay what they are. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PairMisconduct } from '../../tests/in-memory-prover.ts';
import { PAIR_BINDINGS, pairUp } from '../../tests/pair-fixtures.ts';
import { toHex } from '../bytes.ts';
import { deriveSeed, nextChainValue } from '../chain.ts';
import { buildTree } from '../merkle.ts';
import { proofParams } from '../params.ts';
import { encodeTranscript } from '../transcript.ts';
import { auditPair } from './audit-pair.ts';
import { checkPairClaim } from './pair-claim.ts';
import { type PairDigest, plainPairDigest, wasmPairDigest } from './pair-kernels.ts';
import { MAX_PAIR_STEPS, pairPlan } from './pair-sizes.ts';
import { type PairTranscript, parsePairTranscript, startPairChain } from './pair-transcript.ts';

const MICRO = proofParams('micro', 'onboarding');

let kept: ReturnType<typeof pairUp> | undefined;
/** One honest pair, run once for all tests that only look at it. */
const honest = (): ReturnType<typeof pairUp> => (kept ??= pairUp());

test('two honest units pass, and an audit from a file finds the same', async () => {
  const { claim, result, failures } = await honest();
  expect(failures).toEqual([null, null]);
  expect(claim).toMatchObject({ verdict: 'pass', reason: 'none', peer: 'GPU-peer', bytes: 16 * 16 * 16_384 });
  expect(claim.bytesPerSecond).toBe(Math.floor((claim.bytes / claim.elapsedMs) * 1000));
  const read = parsePairTranscript(encodeTranscript(result.transcript));
  expect(read).toEqual({ ok: true, transcript: result.transcript });
  expect(checkPairClaim(claim, result.transcript)).toMatchObject({ ok: true, audit: { checked: 40, wrong: 0 } });
});

test('plain JavaScript finds the same answers exact', async () => {
  const { result } = await honest();
  expect(auditPair(result.transcript, plainPairDigest)).toEqual({ ok: true, failure: null, checked: 40, wrong: 0 });
});

test.each<[string, PairMisconduct, string]>([
  ['answers from its own memory only', { seeds: (own) => ({ own, peer: own }) }, 'wrong-answers'],
  ['makes the memory of its peer up', { seeds: (own) => ({ own, peer: new Uint8Array(32) }) }, 'wrong-answers'],
  ['has the memories in the wrong order', { seeds: (own, peer) => ({ own: peer, peer: own }) }, 'wrong-answers'],
  ['answers an earlier start', { nonce: () => new Uint8Array(32) }, 'wrong-answers'],
  ['leaves a fifth of each step out', { digests: (digests) => void digests.fill(1, 0, 24) }, 'wrong-answers'],
])('a lead that %s is refused', async (_what, pair, reason) => {
  const { claim, result, failures } = await pairUp({ lead: { pair } });
  expect(claim).toMatchObject({ verdict: 'fail', reason, bytesPerSecond: 0 });
  expect(checkPairClaim(claim, result.transcript).ok).toBe(true);
  // What each unit proved of itself stands.
  expect(failures).toEqual([null, null]);
});

test('a prover that cannot share, cannot reach its peer, stays silent or speaks out of turn ends the pair with a reason', async () => {
  const instead = (type: string, error: 'no-peer' | 'device-fault' | null) => ({
    rewrite: (frame: { type: string }) =>
      frame.type !== type ? (frame as never) : error === null ? null : ({ type: 'error', error } as never),
  });
  const reasonOf = async (misconduct: Parameters<typeof pairUp>[0]): Promise<string> => {
    const { claim, failures } = await pairUp(misconduct);
    expect(failures).toEqual([null, null]);
    return claim.reason;
  };
  expect(await reasonOf({ peer: instead('shared', 'no-peer') })).toBe('no-peer');
  expect(await reasonOf({ lead: instead('paired', 'no-peer') })).toBe('no-peer');
  expect(await reasonOf({ lead: instead('paired', 'device-fault') })).toBe('prover-error');
  expect(await reasonOf({ peer: instead('shared', null) })).toBe('no-peer');
  expect(await reasonOf({ lead: instead('paired', null) })).toBe('no-peer');
  const early = (frame: { type: string }): never =>
    (frame.type === 'paired' ? { type: 'root', step: 0, root: new Uint8Array(32) } : frame) as never;
  expect(await reasonOf({ lead: { rewrite: early } })).toBe('out-of-order');
});

test('a chain whose last root does not come in time is late', async () => {
  let paired = false;
  const silent = (frame: { type: string }): never => {
    paired ||= frame.type === 'paired';
    return (paired && frame.type === 'root' ? null : frame) as never;
  };
  const { claim } = await pairUp({ lead: { rewrite: silent } });
  expect(claim).toMatchObject({ verdict: 'fail', reason: 'late', elapsedMs: 0, bytesPerSecond: 0 });
});

test('a transcript that joins units of two machines, leases or barriers, or one unit with itself, shows nothing', async () => {
  const { result } = await honest();
  const joined = (peer: object): string | undefined => {
    const { binding } = result.transcript.peer;
    const changed = { ...result.transcript.peer, binding: { ...binding, ...peer } };
    return auditPair({ ...result.transcript, peer: changed }).failure?.code;
  };
  expect(joined({ machineKey: 'aa'.repeat(32) })).toBe('wrong-pair');
  expect(joined({ grantHash: 'aa'.repeat(32) })).toBe('wrong-pair');
  expect(joined({ barrierId: 'barrier-2' })).toBe('wrong-pair');
  expect(joined({ unit: 'GPU-lead' })).toBe('wrong-pair');
  // Another unit of the same machine has another seed.
  expect(joined({ unit: 'GPU-other' })).toBe('incomplete-transcript');
});

test('a claim that says more than its transcript is caught', async () => {
  const { claim, result } = await honest();
  const bad = (change: Partial<typeof claim>): boolean => checkPairClaim({ ...claim, ...change }, result.transcript).ok;
  expect(bad({})).toBe(true);
  expect(bad({ bytesPerSecond: claim.bytesPerSecond + 1 })).toBe(false);
  expect(bad({ bytes: 2 * claim.bytes })).toBe(false);
  expect(bad({ peer: 'GPU-other' })).toBe(false);
  expect(bad({ transcriptHash: '00'.repeat(32) })).toBe(false);
  expect(bad({ verdict: 'fail', reason: 'wrong-answers', bytesPerSecond: 0 })).toBe(false);
  const stolen = await pairUp({ lead: { pair: { seeds: (own) => ({ own, peer: own }) } } });
  const pass = { ...claim, transcriptHash: stolen.claim.transcriptHash };
  expect(checkPairClaim(pass, stolen.result.transcript).ok).toBe(false);
});

test('no edit of a transcript passes unseen, and none breaks the audit', async () => {
  const { claim, result } = await honest();
  const text = encodeTranscript(result.transcript);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 3 }), (at, noise) => {
      const edited = text.slice(0, at) + noise + text.slice(at + noise.length);
      if (edited === text) return;
      const read = parsePairTranscript(edited);
      if (read.ok && encodeTranscript(read.transcript) !== text)
        expect(checkPairClaim(claim, read.transcript).ok).toBe(false);
    }),
    { numRuns: 150 },
  );
  for (const value of [null, {}, [], 'x', { version: 'cgp1/pair-transcript/1' }]) {
    expect(auditPair(value as PairTranscript)).toMatchObject({ ok: false, failure: { code: 'malformed' } });
    expect(checkPairClaim(claim, value as PairTranscript).ok).toBe(false);
  }
});

test('a plan takes half as many answers as leaves, and a class without links none', () => {
  const hopper = proofParams('gpu-hopper', 'onboarding', 76 * 1024 ** 3);
  const plan = pairPlan(hopper, proofParams('gpu-hopper', 'onboarding', 70 * 1024 ** 3))!;
  expect(plan.answers).toBe((70 * 1024 ** 3) / 16_384 / 2);
  // Four seconds at the floor of the class.
  expect(plan.bytes / 585e9).toBeGreaterThanOrEqual(4);
  expect(plan.bytes / 585e9).toBeLessThan(4.1);
  expect(pairPlan(hopper, proofParams('gpu-ampere', 'onboarding', 70 * 1024 ** 3))).toBeNull();
  expect(pairPlan(proofParams('gpu-ada', 'onboarding'), proofParams('gpu-ada', 'onboarding'))).toBeNull();
  const small = proofParams('gpu-b200', 'routine', 1024 ** 3);
  expect(pairPlan(small, small)).toMatchObject({ steps: MAX_PAIR_STEPS, samples: 16 });
});

/** Vectors of one pair: the leaves are three of each memory under the seeds of the two bindings. */
function pairVectors(makeDigest: typeof wasmPairDigest) {
  const nonces = [0xa1, 0xa2].map((byte) => new Uint8Array(32).fill(byte));
  const [lead, peer] = nonces.map((nonce, i) => ({ params: MICRO, seed: deriveSeed(nonce, PAIR_BINDINGS[i]!) }));
  const digestOf: PairDigest = makeDigest(lead!, peer!);
  const startNonce = new Uint8Array(32).fill(0xb2);
  let q = startPairChain(lead!.seed, peer!.seed, startNonce);
  const { answers } = pairPlan(MICRO, MICRO)!;
  const chain = [0, 1].map((step) => {
    const digests = new Uint8Array(answers * 8);
    for (let i = 0; i < answers; i++) digests.set(digestOf(q, i), i * 8);
    const { root } = buildTree(digests);
    const vector = { step, q: toHex(q), digests: toHex(digests), root: toHex(root) };
    q = nextChainValue(q, root);
    return vector;
  });
  return {
    about: 'CGP-1 golden vectors of a pair: all bytes are lowercase hex; both memories have 32 leaves at R = 4',
    bindings: PAIR_BINDINGS,
    nonces: nonces.map(toHex),
    seeds: [toHex(lead!.seed), toHex(peer!.seed)],
    startNonce: toHex(startNonce),
    chain,
  };
}

test('the answers of a pair are those of the checked-in vectors, in WASM and in plain JavaScript', async () => {
  const text = `${JSON.stringify(pairVectors(wasmPairDigest), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot('../../golden/pair.json');
  expect(pairVectors(plainPairDigest)).toEqual(pairVectors(wasmPairDigest));
});
