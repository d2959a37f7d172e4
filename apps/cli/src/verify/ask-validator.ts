/** `celium verify --validator URL`: the validator gets a key into the pod for as long as its verification takes, and what it signed comes back. */

import {
  CeliumError,
  parseStrangersJson,
  verificationOffer,
  verificationView,
  type Signed,
  type Verification,
  type VerificationFile,
} from '@celium/contract';
import { printable } from '@celium/domain';
import { readBoundedText } from '@celium/sdk';

const CALL_TIMEOUT_MS = 20_000;
const MAX_ANSWER_BYTES = 16_000_000;
const LOOK_EVERY_MS = 1_000;
/** An onboarding of the slowest machine, twice, and the validator's audit. */
const LIMIT_MS = 15 * 60_000;

/** Lets one line into the pod's authorized keys, and takes it out again. */
export interface KeyDoor {
  letIn(sshKey: string): Promise<void>;
  takeOut(sshKey: string): Promise<void>;
}

/** Has a validator verify the pod of `grant`. The key is taken out again whatever happens. */
export async function askValidator(
  url: string,
  grant: Signed<'grant'>,
  listed: Verification['listed'],
  door: KeyDoor,
  tell: (state: string) => void,
): Promise<VerificationFile[]> {
  const base = url.replace(/\/+$/, '');
  const offer = await call(`${base}/v1/verifications`, verificationOffer, { grant, listed });
  const path = `${base}/v1/verifications/${offer.verificationId}`;
  tell('letting its key in');
  await door.letIn(offer.sshKey);
  try {
    let view = await call(`${path}/start`, verificationView, {});
    const untilMs = performance.now() + LIMIT_MS;
    while (view.state === 'waiting' || view.state === 'running') {
      tell(view.state);
      if (performance.now() > untilMs) throw new CeliumError('TIMEOUT', `The validator at ${base} has no result yet.`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      view = await call(path, verificationView, undefined);
    }
    if (view.state === 'done') return view.files;
    throw new CeliumError(
      'PROOF_FAILED',
      `The validator could not verify the pod: ${printable(view.message ?? 'no reason', 300)}.`,
    );
  } finally {
    await door.takeOut(offer.sshKey);
  }
}

/** The part of a schema that reads an answer. */
interface AnswerSchema<Answer> {
  safeParse(value: unknown): { success: true; data: Answer } | { success: false };
}

async function call<Answer>(url: string, schema: AnswerSchema<Answer>, body: unknown): Promise<Answer> {
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      redirect: 'error',
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    status = response.status;
    text = await readBoundedText(response, MAX_ANSWER_BYTES);
  } catch (cause) {
    const details = { remedy: 'Check its address (--validator URL), or verify from this machine without the flag.' };
    throw new CeliumError('NOT_FOUND', `No validator answers at ${url}.`, { cause, details });
  }
  let json: unknown;
  try {
    json = parseStrangersJson(text);
  } catch (cause) {
    throw new CeliumError('NOT_FOUND', `What answers at ${url} is no validator (HTTP ${status}).`, { cause });
  }
  const said = (json as { error?: { code?: unknown; message?: unknown } } | null)?.error;
  if (said !== undefined)
    throw new CeliumError(
      'PROOF_FAILED',
      `The validator refused: ${printable(String(said.code), 64)}: ${printable(String(said.message), 300)}`,
    );
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new CeliumError('NOT_FOUND', `What answers at ${url} is no validator of this version.`);
  return parsed.data;
}
