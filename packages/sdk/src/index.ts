/** The typed client of a Celium market, derived from the contract's route table; runs in Node and in browsers. */
export type { CallArguments, CallInput, CallReply, CallSettings } from './call-types.ts';
export {
  createClient,
  DEFAULT_TIMEOUT_MS,
  MAX_ATTEMPTS,
  MAX_RETRY_WAIT_MS,
  type Client,
  type ClientOptions,
  type RequestSigning,
} from './client.ts';
export { knownHostsLine, pinnedSshOptions, type PinnedPod } from './pinned-ssh.ts';
export { readBoundedText } from './read-body.ts';
export { rentBody, type RentWishes } from './rent-body.ts';
