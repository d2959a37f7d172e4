/** Timelock encryption to a round of the beacon, in the chain's own format (TinyBLS381 with AES-GCM), by a WASM that is loaded when it is first needed. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type * as Wrapper from '@ideallabs/timelock_wasm_wrapper';
import { CeliumError } from '@celium/contract';
import { fromHex } from '../keys/bytes.ts';
import type { RandomBytes } from '../keys/key-pair.ts';
import type { Beacon } from './drand.ts';

const CURVE = 'bls12_381';
const LIBRARY = '@ideallabs/timelock_wasm_wrapper';

type Library = Pick<typeof Wrapper, 'tle' | 'tld' | 'initSync'>;

let loading: Promise<Library> | null = null;

/**
 * Seals bytes so that the beacon's signature of `round` opens them. Throws `UNSUPPORTED` when the library cannot be
 * loaded (then weights are committed by hash).
 */
export async function sealTimelocked(
  payload: Uint8Array,
  round: number,
  beacon: Beacon,
  randomBytes: RandomBytes,
): Promise<Uint8Array> {
  const library = await loadLibrary();
  const publicKey = fromHex(beacon.publicKey, 96);
  if (publicKey === null) throw new CeliumError('BAD_REQUEST', 'a beacon has a key of 96 bytes');
  const identity = roundIdentity(round);
  const sealed: unknown = library.tle([...identity], [...payload], [...randomBytes(32)], [...publicKey], CURVE);
  return Uint8Array.from(sealed as number[]);
}

/** Opens what was sealed for the round of which this is the signature (48 bytes); null when it was not, or is damaged. */
export async function openTimelocked(sealed: Uint8Array, roundSignature: Uint8Array): Promise<Uint8Array | null> {
  const library = await loadLibrary();
  try {
    const opened: unknown = library.tld([...sealed], [...roundSignature], CURVE);
    return Uint8Array.from(opened as number[]);
  } catch {
    return null;
  }
}

/** What the beacon signs: SHA-256 of the round's number. */
function roundIdentity(round: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(round));
  return createHash('sha256').update(bytes).digest();
}

function loadLibrary(): Promise<Library> {
  loading ??= load().catch((cause: unknown) => {
    loading = null;
    throw new CeliumError('UNSUPPORTED', `timelock encryption needs the package ${LIBRARY}, which does not load`, {
      cause,
    });
  });
  return loading;
}

async function load(): Promise<Library> {
  const library = await import('@ideallabs/timelock_wasm_wrapper');
  const file = fileURLToPath(import.meta.resolve(`${LIBRARY}/timelock_wasm_wrapper_bg.wasm`));
  library.initSync({ module: await readFile(file) });
  return library;
}
