/** The one error class of this package: a stable code, what happened, and what to do about it. */

/** What can be wrong with key material, addresses, wallet files, logs and chain endpoints. */
export type ChainFaultCode =
  | 'BAD_ADDRESS'
  | 'BAD_KEY'
  | 'BAD_MNEMONIC'
  | 'BAD_WALLET_FILE'
  | 'WALLET_MISMATCH'
  | 'WALLET_ENCRYPTED'
  | 'WALLET_EXISTS'
  | 'WALLET_NOT_FOUND'
  | 'WRONG_PASSWORD'
  | 'BAD_LOG'
  | 'CHAIN_UNAVAILABLE'
  | 'CHAIN_UNSUPPORTED'
  | 'CHAIN_PROTOCOL'
  | 'PORT_IN_USE';

/**
 * A fault with a code a program can match and a remedy a person can follow.
 * `message` says what happened and why; `remedy` says what to do.
 */
export class ChainFault extends Error {
  readonly code: ChainFaultCode;
  readonly remedy: string;

  constructor(code: ChainFaultCode, message: string, remedy: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ChainFault';
    this.code = code;
    this.remedy = remedy;
  }
}
