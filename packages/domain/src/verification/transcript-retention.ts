/** Which transcripts a validator keeps: the newest of each unit, every failure, and a sample of the passes for whoever checks the checker later. */

/** One receipt with a transcript, as far as the rule needs it. */
export interface KeptTranscript {
  receiptId: string;
  verdict: 'pass' | 'fail';
  /** Unix milliseconds. */
  endedAtMs: number;
  /** SHA-256 in lowercase hex. */
  transcriptHash: string;
}

/** Whether a pass belongs to the spot-check sample: one in sixteen, by the transcript's own hash, so that nobody can choose and anybody can tell. */
export function isSpotCheckSample(transcriptHash: string): boolean {
  return transcriptHash.startsWith('0');
}

/**
 * Those of a unit's kept transcripts that are not kept any longer: passes that are neither the unit's newest transcript nor in the sample. Of two that
 * ended at the same moment both count as newest.
 */
export function transcriptsToRelease<Kept extends KeptTranscript>(ofUnit: readonly Kept[]): Kept[] {
  const newestMs = Math.max(...ofUnit.map((kept) => kept.endedAtMs));
  return ofUnit.filter(
    ({ verdict, endedAtMs, transcriptHash }) =>
      verdict === 'pass' && endedAtMs < newestMs && !isSpotCheckSample(transcriptHash),
  );
}
