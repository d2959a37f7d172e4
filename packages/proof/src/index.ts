/** CGP-1, the Celium GPU proof: parameters, validator side, exact audit, transcripts and their offline check. */
export { auditTranscript, countWrongAnswers, type KernelFactory, type SampledAnswer } from './audit.ts';
export { type AxisFigures, axisFigures, ratesOf, runOfClaim } from './axes.ts';
export { Barrier } from './barrier.ts';
export { fromHex, toHex } from './bytes.ts';
export { chainValues, deriveSeed, nextChainValue, startChain } from './chain.ts';
export { CHALLENGE_LIMITS, type ChallengeOptions, type FilledProver, proverBounds, runChallenge } from './challenge.ts';
export { checkClaim, type ClaimCheck, type ClaimFinding, type Judged, judgeChallenge } from './claim.ts';
export { systemClock } from './clock.ts';
export type * from './contracts.ts';
export * from './deadline.ts';
export { drawSamples, type Sample } from './draw.ts';
export { failure, PROOF_FAILURES, type ProofFailure, type ProofFailureCode } from './failures.ts';
export * from './frames.ts';
export type { AuditKernels, ProductKind, WalkRequest } from './kernels.ts';
export {
  encodeLine,
  LINE_PREFIX,
  type LineEvent,
  lineReader,
  MAX_FRAME_BYTES,
  MAX_LINE_BYTES,
  type Sender,
} from './lines.ts';
export * from './machine/disk-blocks.ts';
export * from './machine/frames.ts';
export * from './machine/responder.ts';
export { isLongLink } from './link.ts';
export { buildTree, merklePath, type MerkleTree, pathLength, rootOfPath } from './merkle.ts';
export { auditPair, drawPairSamples, type PairAudit, type PairDigestFactory } from './pair/audit-pair.ts';
export { checkPairClaim, judgePair, type PairClaim } from './pair/pair-claim.ts';
export {
  addLeaf,
  chooseLeaves,
  PAIR_ROTATIONS,
  type PairAreas,
  plainPairDigest,
  wasmPairDigest,
} from './pair/pair-kernels.ts';
export { LEAVES_PER_SIDE, PAIR_PACE, type PairPlan, pairPlan } from './pair/pair-sizes.ts';
export {
  isPairTranscript,
  type PairMember,
  type PairTranscript,
  parsePairTranscript,
  seedOfMember,
  startPairChain,
} from './pair/pair-transcript.ts';
export { type PairOptions, type PairResult, runPair } from './pair/run-pair.ts';
export * from './params.ts';
export { plainKernels } from './plain-kernels.ts';
export { PROVER_IN_POD, proverShellCommand } from './shell.ts';
export { encodeTranscript, hashTranscript, isProofTranscript, parseTranscript } from './transcript.ts';
export {
  instantiateKernels,
  type KernelExports,
  kindNumber,
  PANEL_BYTES,
  PANEL_DEPTH,
  PANEL_STRIDE,
  wasmKernels,
} from './wasm-kernels.ts';
export { default as sharedKernelsBase64 } from './kernels-shared.wasm.ts';
