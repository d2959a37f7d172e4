/** CGP-1, the Celium GPU proof: parameters, validator side, exact audit, transcripts and their offline check. */
export type * from './contracts.ts';
export { PROOF_FAILURES, type ProofFailure, type ProofFailureCode } from './failures.ts';
