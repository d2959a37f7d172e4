/** The one table of error codes: HTTP status, CLI exit status, what it means, and what to do. Every code has a test and a line in the documents. */

export interface ErrorEntry {
  /** HTTP status when a server answers with it. */
  status: number;
  /** Exit status of the CLI: stable, one per code. */
  exit: number;
  meaning: string;
  remedy: string;
}

function entry(status: number, exit: number, meaning: string, remedy: string): ErrorEntry {
  return { status, exit, meaning, remedy };
}

export const ERRORS = {
  // Requests and identity
  BAD_REQUEST: entry(
    400,
    10,
    'The request is not of the form that this route takes.',
    'Compare it with the fields named in the message, or with /openapi.json.',
  ),
  UNAUTHENTICATED: entry(
    401,
    11,
    'No valid API key or signature came with the request.',
    'Run `celium login`, or send `Authorization: Bearer <key>`.',
  ),
  FORBIDDEN: entry(403, 12, 'This key may not do that.', 'Use a key with the scope that the message names.'),
  NOT_FOUND: entry(
    404,
    13,
    'Nothing of that name is yours, or it does not exist.',
    'List what there is: `celium ps`, `celium ls`, `celium keys ls`.',
  ),
  CONFLICT: entry(
    409,
    14,
    'It exists already, or is in a state that does not allow this.',
    'Look at its present state, then ask again.',
  ),
  IDEMPOTENCY_MISMATCH: entry(
    422,
    15,
    'This idempotency key was used before with another request.',
    'Take a new key for a new request; repeat the old request unchanged with the old key.',
  ),
  RATE_LIMITED: entry(
    429,
    16,
    'Too many requests of this kind in a short time.',
    'Wait for the time given in `retry-after`, then ask again.',
  ),
  EMAIL_TAKEN: entry(
    409,
    17,
    'An account with this e-mail address exists.',
    'Log in with `celium login`, or sign up with another address.',
  ),
  BAD_CREDENTIALS: entry(
    401,
    18,
    'E-mail address and password do not fit.',
    'Check both; after five tries wait 15 minutes.',
  ),
  INTERNAL: entry(
    500,
    19,
    'The server failed; nothing was half-done.',
    'Try again; if it stays, give the operator the request id.',
  ),

  // Signed requests and documents
  SIGNATURE_WRONG: entry(
    401,
    20,
    'The signature does not fit the key and the content.',
    'Sign exactly what is sent, with the key that is named.',
  ),
  NONCE_REPLAYED: entry(401, 21, 'This signed request was seen before.', 'Sign a new request with a new nonce.'),
  REQUEST_EXPIRED: entry(
    401,
    22,
    'The signed request has expired, or expires too far in the future.',
    'Sign again by the time in the answer; check the clock.',
  ),
  AUDIENCE_WRONG: entry(
    401,
    23,
    'The request was signed for another recipient.',
    'Sign it for the public key of the one that you call.',
  ),
  DOCUMENT_UNKNOWN: entry(
    400,
    24,
    'The document is of a kind or major version that this program does not know.',
    'Update the older of the two programs.',
  ),
  KEY_NOT_DELEGATED: entry(
    403,
    25,
    'The key that signed is not delegated for this by the manifest or the chain.',
    'Add the machine key to a new manifest version, or register the hotkey.',
  ),

  // Market
  NO_BALANCE: entry(
    402,
    30,
    'The balance does not cover the first minutes of this rental.',
    'Add credit (`celium balance` shows what there is), or rent something cheaper.',
  ),
  OFFER_UNKNOWN: entry(404, 31, 'There is no such offer.', 'List offers with `celium ls`.'),
  OFFER_TAKEN: entry(409, 32, 'Someone else has these units.', 'Rent another offer: `celium ls`.'),
  OFFER_UNVERIFIED: entry(
    409,
    33,
    'No validator has verified this machine yet, or its last check failed.',
    'Choose a verified offer, or wait for the next check.',
  ),
  OFFER_CONTESTED: entry(
    409,
    41,
    'Another registration claims a GPU of this machine, so it counts for nobody or for the other.',
    'Choose another offer; a barrier that challenges both settles it.',
  ),
  OFFER_SIMULATED: entry(409, 34, 'This machine is simulated and is never rented.', 'Choose another offer.'),
  MACHINE_OFFLINE: entry(
    409,
    35,
    'The agent of this machine is not connected.',
    'Choose another offer, or try again in a minute.',
  ),
  BAD_SSH_KEY: entry(
    400,
    36,
    'That is no SSH public key that pods accept.',
    'Give the content of a `.pub` file, for example ~/.ssh/id_ed25519.pub.',
  ),
  NO_SSH_KEY: entry(409, 37, 'The account has no SSH key, so nobody could log in.', 'Add one with `celium keys add`.'),
  RENTAL_ENDED: entry(
    409,
    38,
    'The rental has ended.',
    'Its bill is at `celium bill <id>`; rent again with `celium up`.',
  ),
  RENTAL_NOT_STARTING: entry(409, 39, 'The rental is not starting.', 'Look at its state with `celium ps`.'),
  BAD_POD_SPEC: entry(
    400,
    40,
    'The pod spec asks for something that is not on the allow-list.',
    'Take out the field that the message names.',
  ),

  // Leases at the agent
  UNITS_UNKNOWN: entry(404, 50, 'The machine has no such unit.', 'Read the machine’s manifest for its units.'),
  UNITS_BUSY: entry(
    409,
    51,
    'Another lease holds the unit; its grant is shown.',
    'Wait until it ends, or lease another unit.',
  ),
  TERM_TOO_LONG: entry(
    400,
    52,
    'The term is longer than this kind of lease may be.',
    'Ask for a shorter term and renew it.',
  ),
  REQUEST_STOPPED: entry(
    409,
    53,
    'This lease was stopped before, and a late message must not bring it back.',
    'Send a new request with a new id.',
  ),
  LEASE_UNKNOWN: entry(404, 54, 'The agent has no open lease of that id.', 'It has ended; look at the agent’s log.'),
  NOT_YOUR_LEASE: entry(
    403,
    55,
    'Another authority holds this lease.',
    'Only the authority that asked may command it.',
  ),
  FENCE_OLD: entry(
    409,
    56,
    'The fence is not the one of the open lease; a newer lease has been granted.',
    'Drop the old lease; ask for a new one.',
  ),
  SEQUENCE_OLD: entry(409, 57, 'The sequence number was used before.', 'Number commands of one lease upwards.'),
  POD_START_FAILED: entry(
    502,
    58,
    'The container engine could not start the pod.',
    'Read the reason in the message; try another image or machine.',
  ),
  IMAGE_UNAVAILABLE: entry(502, 59, 'The image could not be had.', 'Check its name, and that its registry answers.'),

  // Verification
  PROOF_FAILED: entry(
    409,
    60,
    'The proof did not pass; the reason is in the receipt.',
    'Read the receipt’s reason; repeat the check within 10 minutes.',
  ),
  HOST_KEY_MISMATCH: entry(
    409,
    61,
    'The SSH host key is not the one of the grant.',
    'Do not log in: someone is in between, or the machine is misconfigured.',
  ),
  BAD_PROOF_FILE: entry(
    400,
    62,
    'The file is no receipt with its transcript.',
    'Give a file that a validator published.',
  ),

  // Programs and the host
  PORT_IN_USE: entry(500, 70, 'Another program listens on this port.', 'Stop it, or choose another port with --port.'),
  ENGINE_UNAVAILABLE: entry(
    503,
    71,
    'No Docker engine answers.',
    'Start Docker, or give its socket with --docker; as root on Debian or Ubuntu `celium` installs one.',
  ),
  POD_FILTER_UNAVAILABLE: entry(
    503,
    90,
    'Pods cannot be kept from the networks of this host.',
    'Run the agent as root on the host of the engine, with iptables installed; or accept it with --open-egress, and offers say so.',
  ),
  ENGINE_START_FAILED: entry(
    500,
    72,
    'The Docker engine was started and did not come up.',
    'Read the engine log that the message names.',
  ),
  NOT_ROOT: entry(
    500,
    73,
    'This set-up step needs root.',
    'Run it once as root, or install Docker and join its group.',
  ),
  DISK_FULL: entry(
    507,
    74,
    'The disk is full.',
    'Free some space where the message says, then start again: nothing was half-done.',
  ),
  DATABASE_UNAVAILABLE: entry(
    503,
    75,
    'PostgreSQL does not answer.',
    'Check DATABASE_URL, or the database log that the message names.',
  ),
  CHAIN_UNAVAILABLE: entry(
    503,
    76,
    'The chain does not answer.',
    'Check its address; `celium devchain` starts a local one.',
  ),
  CHAIN_WRONG: entry(
    502,
    84,
    'The node is of another chain, on another fork, or does not tell the truth.',
    'Give the addresses of nodes that you trust (several: `--chain ws://a,ws://b`), and compare the block hash that the message names with an explorer.',
  ),
  CHAIN_CHANGED: entry(
    501,
    85,
    'The chain’s runtime has changed in something that this version uses: nothing is written.',
    'Update Celium; until then the last weights stay on chain. The message names what has changed.',
  ),
  MARKET_UNAVAILABLE: entry(
    503,
    77,
    'The market does not answer.',
    'Check its address (`--market`, or `celium login`), then try again.',
  ),
  AGENT_UNAVAILABLE: entry(
    503,
    78,
    'The machine’s agent does not answer.',
    'Try again in a minute; if it stays, choose another offer.',
  ),
  STATE_LOCKED: entry(
    500,
    79,
    'Another process uses this state folder.',
    'Stop it, or give another folder with --state.',
  ),
  CHAIN_REFUSED: entry(
    409,
    80,
    'The chain refused the operation; the message has the pallet’s error.',
    'Read the pallet’s error name in the message.',
  ),
  BAD_WALLET: entry(
    400,
    81,
    'The wallet file cannot be read, or its password is wrong.',
    'Check the path and the password; files are those that btcli writes.',
  ),
  UNSUPPORTED: entry(501, 82, 'This version cannot do that.', 'The message says what it would need.'),
  TIMEOUT: entry(504, 83, 'It took longer than it may.', 'Try again; the message says what was waited for.'),
  USAGE: entry(400, 2, 'The command line is not understood.', 'Add --help to the command.'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** All codes, for tests and documents. */
export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];

/** An error with a code of the table: `message` is public, `internal` is for logs only. */
export class CeliumError extends Error {
  override readonly name = 'CeliumError';
  readonly code: ErrorCode;
  /** Ids and facts for the log; never sent to a caller. */
  readonly internal: string | undefined;
  /** Public, structured: for example the grant that holds a busy unit. */
  readonly details: Record<string, unknown> | undefined;

  constructor(
    code: ErrorCode,
    message?: string,
    options: { cause?: unknown; internal?: string; details?: Record<string, unknown> } = {},
  ) {
    super(message ?? ERRORS[code].meaning, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.internal = options.internal;
    this.details = options.details;
  }

  /** What to do about it. */
  get remedy(): string {
    return ERRORS[this.code].remedy;
  }
}

/** The body of every error answer. */
export interface ErrorBody {
  error: { code: ErrorCode; message: string; remedy: string; details?: Record<string, unknown> };
}

/** An error as its answer body. Anything but a `CeliumError` is `INTERNAL` and says no more. */
export function errorBody(error: unknown): ErrorBody {
  if (!(error instanceof CeliumError)) {
    return { error: { code: 'INTERNAL', message: ERRORS.INTERNAL.meaning, remedy: ERRORS.INTERNAL.remedy } };
  }
  const details = error.details === undefined ? {} : { details: error.details };
  return { error: { code: error.code, message: error.message, remedy: error.remedy, ...details } };
}
