/** The reasons for which a challenge can fail, as data: one code for programs and one sentence for people. */

/** Every failure code with its meaning. The sentence is what a receipt's reader sees first. */
export const PROOF_FAILURES = {
  'not-started': 'the prover sent no greeting in time',
  'not-filled': 'the prover did not report a filled memory in time',
  late: 'the last root came after the deadline, or not at all',
  closed: 'the stream ended before the proof was complete',
  malformed: 'the prover sent a frame that the protocol does not allow',
  'out-of-order': 'the prover sent a frame at a step where it has no place',
  flood: 'the prover sent more bytes than a proof can have',
  'prover-error': 'the prover reported an error of its own',
  'memory-refused': 'the prover reported that it could not get the memory that was claimed',
  'wrong-version': 'the prover speaks another version of the protocol',
  'no-probe-reply': 'the prover answered no round-trip probe',
  'not-opened': 'the prover did not open every sampled answer in time',
  'incomplete-transcript': 'the transcript lacks roots or openings',
  'wrong-parameters': 'the transcript was not made with the parameters of its class',
  'bad-path': 'a Merkle path does not lead from the opened answer to the root that was sent',
  'wrong-seed': 'no sampled answer follows from the seed of this challenge',
  'skipped-work': 'sampled product tiles are not the exact products',
  'memory-short': 'sampled memory leaves or walks do not hold what was to be filled',
  'no-peer': 'the prover reported that it cannot reach the memory of the other unit of its pair',
  'wrong-pair': 'the transcript does not join two units of one machine that were proven together',
  'wrong-answers': 'sampled answers do not follow from the memories of both units',
  aborted: 'the validator gave up the challenge for a reason of its own',
} as const;

/** A machine-readable reason; `'aborted'` is the only one that says nothing about the prover. */
export type ProofFailureCode = keyof typeof PROOF_FAILURES;

/** A failure with a detail in printable ASCII, composed here and never quoting raw bytes of a host. */
export interface ProofFailure {
  code: ProofFailureCode;
  detail: string;
}

/** Composes a failure from its code and what was seen. */
export function failure(code: ProofFailureCode, seen?: string): ProofFailure {
  return { code, detail: seen === undefined ? PROOF_FAILURES[code] : `${PROOF_FAILURES[code]}: ${seen}` };
}
