/** What stays of a unit's transcripts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSpotCheckSample, transcriptsToRelease } from './transcript-retention.ts';

const transcript = fc.record({
  receiptId: fc.uuid(),
  verdict: fc.constantFrom('pass' as const, 'fail' as const),
  endedAtMs: fc.nat(50),
  transcriptHash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex')),
});

test('failures, the newest and the sample stay; every other pass goes, in whatever order they are looked at', () => {
  fc.assert(
    fc.property(fc.array(transcript, { maxLength: 20 }), (ofUnit) => {
      const released = new Set(transcriptsToRelease(ofUnit));
      const newestMs = Math.max(...ofUnit.map(({ endedAtMs }) => endedAtMs));
      for (const kept of ofUnit) {
        const stays = kept.verdict === 'fail' || kept.endedAtMs === newestMs || isSpotCheckSample(kept.transcriptHash);
        expect(released.has(kept)).toBe(!stays);
      }
      expect(new Set(transcriptsToRelease(ofUnit.toReversed()))).toEqual(released);
    }),
  );
});

test('releasing one by one as receipts come leaves what releasing all at the end leaves', () => {
  fc.assert(
    fc.property(fc.array(transcript, { maxLength: 20 }), (unordered) => {
      const byTime = unordered.toSorted((a, b) => a.endedAtMs - b.endedAtMs);
      let kept: typeof byTime = [];
      for (const one of byTime) {
        kept.push(one);
        const gone = new Set(transcriptsToRelease(kept));
        kept = kept.filter((each) => !gone.has(each));
      }
      const gone = new Set(transcriptsToRelease(byTime));
      expect(kept).toEqual(byTime.filter((each) => !gone.has(each)));
    }),
  );
});

test('about one pass in sixteen is in the sample', () => {
  const digits = '0123456789abcdef';
  expect([...digits].filter((digit) => isSpotCheckSample(digit.padEnd(64, 'f')))).toEqual(['0']);
});
