/** Signed documents: who said what. The signature always covers the body as received, so fields we do not know survive. */
import {
  CeliumError,
  DOCUMENTS,
  canonicalJson,
  documentSigningBytes,
  type DocumentBody,
  type DocumentName,
  type ErrorCode,
  type Signed,
  type SignedDocument,
} from '@celium/contract';
import { createHash } from 'node:crypto';
import { fromHex, toHex } from '../keys/bytes.ts';
import { verifySignature, type KeySigner } from '../keys/key-pair.ts';
import { encodeSs58, type Ss58 } from '../keys/ss58.ts';

/** Why a document was refused; `code` is of the table of errors. */
export interface DocumentRefusal {
  readonly ok: false;
  readonly code: Extract<ErrorCode, 'BAD_REQUEST' | 'DOCUMENT_UNKNOWN' | 'SIGNATURE_WRONG' | 'KEY_NOT_DELEGATED'>;
  readonly message: string;
}

/** A document whose form and signature are right. */
export interface VerifiedDocument<N extends DocumentName> {
  readonly ok: true;
  /** As received, unknown fields of the body included: what to store and pass on. Whatever stood beside the parts of the envelope is nobody's word and left out. */
  readonly signed: Signed<N>;
  /** The body as its schema reads it. */
  readonly body: DocumentBody<N>;
  /** Public key that signed, 64 hex digits, and its address. */
  readonly signer: string;
  readonly ss58: Ss58;
}

/**
 * Signs a document of a known kind. The body is checked against its schema first, so nothing malformed is ever signed.
 * Throws `BAD_REQUEST` when the body does not fit its schema or is larger than its kind may be.
 *
 * @example const grant = await signDocument('grant', body, machineKey);
 */
export async function signDocument<N extends DocumentName>(
  document: N,
  body: DocumentBody<N>,
  signer: KeySigner,
): Promise<Signed<N>> {
  const kind = DOCUMENTS[document];
  const parsed = kind.body.safeParse(body);
  if (!parsed.success) {
    throw new CeliumError('BAD_REQUEST', `this ${document} may not be signed: ${firstIssue(parsed.error)}`);
  }
  const tooLarge = oversize(document, body);
  if (tooLarge !== null) throw new CeliumError('BAD_REQUEST', tooLarge);
  return (await signEnvelope(document, kind.version, body, signer)) as Signed<N>;
}

/** Signs any body under a name and major version; for statements that have no schema of their own in the contract. */
export async function signEnvelope<Body>(
  document: string,
  version: number,
  body: Body,
  signer: KeySigner,
): Promise<SignedDocument<Body>> {
  const signature = await signer.sign(documentSigningBytes(document, version, body));
  return { document, version, body, signer: toHex(signer.publicKey), signature: toHex(signature) };
}

/**
 * Checks a document that came from outside: kind, major version, size, schema, signature, and, with `expected.signer`
 * (hex public key), who signed. Never throws on garbage.
 */
export function verifyDocument<N extends DocumentName>(
  document: N,
  received: unknown,
  expected: { signer?: string } = {},
): VerifiedDocument<N> | DocumentRefusal {
  const kind = DOCUMENTS[document];
  const shape = readEnvelope(received);
  if (shape === null) return refuse('BAD_REQUEST', 'this is no signed document');
  if (shape.document !== document) {
    return refuse('DOCUMENT_UNKNOWN', `a ${document} is expected here, not a ${quote(shape.document)}`);
  }
  if (shape.version !== kind.version) {
    return refuse(
      'DOCUMENT_UNKNOWN',
      `version ${shape.version} of ${document} is not known here, only ${kind.version}: update the older program`,
    );
  }
  const tooLarge = oversize(document, shape.body);
  if (tooLarge !== null) return refuse('BAD_REQUEST', tooLarge);
  const parsed = kind.body.safeParse(shape.body);
  if (!parsed.success) return refuse('BAD_REQUEST', `this ${document} is malformed: ${firstIssue(parsed.error)}`);
  if (!verifyEnvelope(shape)) {
    return refuse('SIGNATURE_WRONG', `the signature of this ${document} does not fit its key and content`);
  }
  if (expected.signer !== undefined && shape.signer !== expected.signer) {
    return refuse('KEY_NOT_DELEGATED', `this ${document} is signed by ${shape.signer}, not by ${expected.signer}`);
  }
  return {
    ok: true,
    signed: shape as Signed<N>,
    body: parsed.data as DocumentBody<N>,
    signer: shape.signer,
    ss58: encodeSs58(fromHex(shape.signer) ?? new Uint8Array(32)),
  };
}

/** Whether an envelope's signature fits its signer and its body as received. Never throws. */
export function verifyEnvelope(signed: SignedDocument): boolean {
  const key = fromHex(signed.signer, 32);
  const signature = fromHex(signed.signature, 64);
  const bytes = signingBytes(signed.document, signed.version, signed.body);
  return key !== null && signature !== null && bytes !== null && verifySignature(bytes, signature, key);
}

/** SHA-256 (64 hex digits) of a document's signing bytes: its name in logs, grants and transcripts. */
export function documentHash(signed: { document: string; version: number; body: unknown }): string {
  return createHash('sha256')
    .update(documentSigningBytes(signed.document, signed.version, signed.body))
    .digest('hex');
}

/** The envelope of an unknown value, with every part of the right shape; null otherwise. */
export function readEnvelope(received: unknown): SignedDocument | null {
  if (typeof received !== 'object' || received === null) return null;
  const { document, version, body, signer, signature } = received as Record<string, unknown>;
  if (typeof document !== 'string' || typeof version !== 'number' || !Number.isSafeInteger(version)) return null;
  if (typeof body !== 'object' || body === null) return null;
  if (typeof signer !== 'string' || !/^[0-9a-f]{64}$/.test(signer)) return null;
  if (typeof signature !== 'string' || !/^[0-9a-f]{128}$/.test(signature)) return null;
  return { document, version, body, signer, signature };
}

function signingBytes(document: string, version: number, body: unknown): Uint8Array | null {
  try {
    return documentSigningBytes(document, version, body);
  } catch {
    return null;
  }
}

function oversize(document: DocumentName, body: unknown): string | null {
  const { maxBytes } = DOCUMENTS[document];
  let length: number;
  try {
    length = Buffer.byteLength(canonicalJson(body));
  } catch {
    return `this ${document} has no canonical form`;
  }
  return length > maxBytes ? `a ${document} has at most ${maxBytes} bytes, this one ${length}` : null;
}

function firstIssue(error: { issues: ReadonlyArray<{ path: ReadonlyArray<PropertyKey>; message: string }> }): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.map(String).join('.') || 'body'}: ${issue.message}` : 'its form is wrong';
}

function refuse(code: DocumentRefusal['code'], message: string): DocumentRefusal {
  return { ok: false, code, message };
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
