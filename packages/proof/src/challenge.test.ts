/** A challenge from both sides of one stream: who is accepted, who is refused and with which reason. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BINDING, challenge, DECLARED_RATE, seededBytes } from '../tests/fixtures.ts';
import { inMemoryProver } from '../tests/in-memory-prover.ts';
import { virtualClock } from '../tests/virtual-clock.ts';
import { auditTranscript } from './audit.ts';
import { CHALLENGE_LIMITS, runChallenge } from './challenge.ts';
import type { ProofTransport } from './contracts.ts';
import { PROOF_FAILURES } from './failures.ts';
import { encodeLine } from './lines.ts';
import { isLongLink } from './link.ts';
import { proofParams, stepCount } from './params.ts';
import { plainKernels } from './plain-kernels.ts';

test('an honest prover is accepted, onboarding and routine', async () => {
  for (const purpose of ['onboarding', 'routine'] as const) {
    const { claim, audit } = await challenge({}, { purpose });
    expect(claim).toMatchObject({ verdict: 'pass', reason: 'none' });
    expect(audit?.checked).toEqual(proofParams('micro', purpose).audit);
  }
});

test('a prover in plain JavaScript is accepted by an audit in WASM, and the other way round', async () => {
  const { claim } = await challenge({ kernels: plainKernels }, { purpose: 'routine' });
  expect(claim.verdict).toBe('pass');
  const reverse = await challenge({}, { purpose: 'routine', kernels: plainKernels });
  expect(reverse.claim.verdict).toBe('pass');
});

test('a prover that skips 20 % of its tiles is refused for skipped work', async () => {
  const { claim, audit } = await challenge({ skippedTiles: 0.2 });
  expect(claim).toMatchObject({ verdict: 'fail', reason: 'skipped-work' });
  expect(audit?.wrong).toMatchObject({ leaves: 0, walks: 0 });
});

test('answers to another seed are refused as such', async () => {
  const { claim } = await challenge({ seed: new Uint8Array(32) });
  expect(claim).toMatchObject({ verdict: 'fail', reason: 'wrong-seed' });
});

test('a prover without a quarter of the memory is refused for short memory', async () => {
  const { claim } = await challenge({ missingMemory: 0.25 });
  expect(claim).toMatchObject({ verdict: 'fail', reason: 'memory-short' });
});

test('roots that come late are refused as late, with how far the chain came', async () => {
  const { claim, result } = await challenge({ rootDelayMs: 60 });
  expect(claim).toMatchObject({ verdict: 'fail', reason: 'late' });
  expect(result.transcript.roots.length).toBeLessThan(32);
  expect(claim.detail).toMatch(/roots within \d+ ms/);
  expect(claim.figures.elapsedMs).toBeGreaterThan(claim.figures.limitMs);
});

test('a last root just beyond the limit is late even though every answer is exact', async () => {
  const { claim, audit } = await challenge({ rootDelayMs: 8 });
  expect(audit?.ok).toBe(true);
  expect(claim).toMatchObject({ verdict: 'fail', reason: 'late' });
  expect(claim.figures.elapsedMs).toBeGreaterThan(claim.figures.limitMs);
});

test('slow probes buy at most 300 ms', async () => {
  const { claim } = await challenge({ probeDelayMs: 50_000, rootDelayMs: 60 });
  expect(claim.reason).toBe('late');
  expect(claim.figures.rttMinMs).toBe(50_000);
  expect(claim.figures.limitMs).toBeLessThan(1000);
});

test('an opening whose path does not reach the root is refused', async () => {
  const { claim } = await challenge({
    rewrite: (frame) => {
      if (frame.type === 'opening') frame.path[5]! ^= 1;
      return frame;
    },
  });
  expect(claim).toMatchObject({ verdict: 'fail', reason: 'bad-path' });
});

test('an opening whose digests were changed after the root was sent is refused', async () => {
  const { claim } = await challenge({
    rewrite: (frame) => {
      if (frame.type === 'opening') frame.digests[0]! ^= 1;
      return frame;
    },
  });
  expect(claim).toMatchObject({ verdict: 'fail', reason: 'bad-path' });
});

test('a missing opening, a missing root and roots out of order are refused', async () => {
  let openings = 0;
  const unopened = await challenge({
    rewrite: (frame) => (frame.type === 'opening' && (openings += 1) === 7 ? null : frame),
  });
  expect(unopened.claim.reason).toBe('not-opened');
  const rootless = await challenge({ rewrite: (frame) => (frame.type === 'root' && frame.step === 3 ? null : frame) });
  expect(rootless.claim.reason).toBe('out-of-order');
  const swapped = await challenge({
    rewrite: (frame) => (frame.type === 'root' ? { ...frame, step: 31 - frame.step } : frame),
  });
  expect(swapped.claim.reason).toBe('out-of-order');
});

test('another protocol version and a reported lack of memory are told apart', async () => {
  const foreign = await challenge({ rewrite: (frame) => (frame.type === 'hello' ? { ...frame, version: 9 } : frame) });
  expect(foreign.claim.reason).toBe('wrong-version');
  const small = await challenge({
    rewrite: (frame) => (frame.type === 'filled' ? { type: 'error', error: 'out-of-memory' } : frame),
  });
  expect(small.claim.reason).toBe('memory-refused');
});

test('a message of the day, a prompt, echo and carriage returns do not disturb', async () => {
  const { claim } = await challenge({
    preamble: 'Welcome!\r\n\u001b[?2004h$ stty raw -echo; exec node prover.mjs\r\n$ ',
  });
  expect(claim.verdict).toBe('pass');
});

test('all units of a machine wait for the barrier, and a start that is called off aborts', async () => {
  const clock = virtualClock();
  const result = await runChallenge({
    transport: inMemoryProver(clock),
    clock,
    randomBytes: seededBytes(3),
    params: proofParams('micro', 'routine'),
    binding: BINDING,
    declaredRateUnitsPerSecond: DECLARED_RATE,
    beforeStart: () => Promise.reject(new Error('a sibling failed')),
  });
  expect(result.failure?.code).toBe('aborted');
  expect(result.transcript.startNonce).toBe('');
});

test('a routine check over a far link, or one that loses packets, is asked for the long chain', async () => {
  for (const [probeDelayMs, purpose] of [
    [20, 'routine'],
    [100, 'routine-long'],
  ] as const) {
    const clock = virtualClock();
    const { transcript } = await runChallenge({
      transport: inMemoryProver(clock, { probeDelayMs: 2 * probeDelayMs }),
      clock,
      randomBytes: seededBytes(3),
      params: proofParams('micro', 'routine'),
      longParams: proofParams('micro', 'routine-long'),
      binding: BINDING,
      declaredRateUnitsPerSecond: DECLARED_RATE,
    });
    expect(transcript.params.purpose).toBe(purpose);
    expect(transcript.roots.length).toBe(stepCount(proofParams('micro', purpose)));
    expect(auditTranscript(transcript).ok).toBe(true);
  }
  expect(isLongLink([20, 21, 25, 219])).toBe(false);
  expect(isLongLink([20, 21, 25, 220])).toBe(true);
  expect(isLongLink([179])).toBe(false);
  expect(isLongLink([181, 180])).toBe(true);
  expect(isLongLink([])).toBe(false);
});

/** A stream that sends `chunks` and then nothing. */
function hostileStream(chunks: readonly Uint8Array[]): ProofTransport {
  return {
    write: () => undefined,
    onData: (listener) => void setTimeout(() => chunks.forEach((chunk) => listener(chunk)), 0),
    onClose: () => undefined,
  };
}

function hear(chunks: readonly Uint8Array[]) {
  return runChallenge({
    transport: hostileStream(chunks),
    clock: virtualClock(),
    randomBytes: seededBytes(4),
    params: proofParams('micro', 'routine'),
    binding: BINDING,
    declaredRateUnitsPerSecond: DECLARED_RATE,
  });
}

test('whatever bytes a host sends, the challenge ends with a known reason and prints none of them', async () => {
  const frame = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => encodeLine('prover', bytes));
  const noise = fc.string({ unit: 'binary', maxLength: 300 }).map((text) => `${text}\r\n`);
  const broken = fc.string({ maxLength: 80 }).map((text) => `:cgp1p:${text}\n`);
  const line = fc.oneof(frame, noise, broken);
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
      const { failure } = await hear(lines.map((text) => new TextEncoder().encode(text)));
      expect(Object.keys(PROOF_FAILURES)).toContain(failure?.code);
      expect(failure?.detail).toMatch(/^[\x20-\x7e]{1,240}$/);
    }),
    { numRuns: 200 },
  );
});

test('a flood is cut off at its bound', async () => {
  const chunk = new Uint8Array(65_536).fill(97);
  const { failure, timing } = await hear(Array.from({ length: 100 }, () => chunk));
  expect(failure?.code).toBe('flood');
  expect(timing.bytesReceived).toBeLessThan(CHALLENGE_LIMITS.noiseBytes + 300_000);
});

test('small frames that nobody waits for are cut off at the number that a proof can have, also while siblings are waited for', async () => {
  const clock = virtualClock();
  let flood: () => void = () => undefined;
  const prover = inMemoryProver(clock);
  const transport: ProofTransport = {
    ...prover,
    onData(listener) {
      flood = () => {
        const line = new TextEncoder().encode(encodeLine('prover', Uint8Array.of(0x83)));
        for (let i = 0; i < 10_000; i++) listener(line);
      };
      prover.onData(listener);
    },
  };
  const params = proofParams('micro', 'routine');
  const { failure, timing } = await runChallenge({
    transport,
    clock,
    randomBytes: seededBytes(4),
    params,
    binding: BINDING,
    declaredRateUnitsPerSecond: DECLARED_RATE,
    beforeStart: async () => flood(),
  });
  expect(failure?.code).toBe('out-of-order');
  expect(timing.bytesReceived).toBeLessThan(16_384);
});

test('a stream that breaks while the validator writes ends as closed', async () => {
  const clock = virtualClock();
  const prover = inMemoryProver(clock);
  let lines = 0;
  const transport: ProofTransport = {
    ...prover,
    write: (text) => {
      if ((lines += 1) > 5) throw new Error('EPIPE');
      prover.write(text);
    },
  };
  const { failure } = await runChallenge({
    transport,
    clock,
    randomBytes: seededBytes(4),
    params: proofParams('micro', 'routine'),
    binding: BINDING,
    declaredRateUnitsPerSecond: DECLARED_RATE,
  });
  expect(failure?.code).toBe('closed');
});

test('a silent host and a host that never fills end in time', async () => {
  const silent = await hear([]);
  expect(silent.failure?.code).toBe('not-started');
  const idle = await challenge({ rewrite: (frame) => (frame.type === 'filled' ? null : frame) });
  expect(idle.claim.reason).toBe('not-filled');
});
