/** A self-signed X.509 certificate (RFC 5280) for a P-256 key: the envelope that TLS wants around a key that callers pin by hash. */
import { createPublicKey, sign, type KeyObject } from 'node:crypto';

/** `subject` is the common name; `serial` 8 to 20 random bytes. Times are unix ms. */
export interface CertificateFacts {
  subject: string;
  serial: Uint8Array;
  notBeforeMs: number;
  notAfterMs: number;
}

const TAG = { integer: 0x02, bits: 0x03, oid: 0x06, utf8: 0x0c, time: 0x18, sequence: 0x30, set: 0x31 } as const;
const COMMON_NAME = Buffer.from('550403', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');

/** The certificate in DER, signed by `privateKey` over its own public half. */
export function selfSignedCertificate(privateKey: KeyObject, facts: CertificateFacts): Buffer {
  const algorithm = der(TAG.sequence, der(TAG.oid, ECDSA_WITH_SHA256));
  const attribute = der(TAG.sequence, der(TAG.oid, COMMON_NAME), der(TAG.utf8, Buffer.from(facts.subject)));
  const name = der(TAG.sequence, der(TAG.set, attribute));
  // The leading byte 1 keeps the number positive and its form minimal, whatever the random bytes are.
  const serial = Buffer.concat([Buffer.from([0x01]), facts.serial]);
  const body = der(
    TAG.sequence,
    der(0xa0, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, serial),
    algorithm,
    name,
    der(TAG.sequence, time(facts.notBeforeMs), time(facts.notAfterMs)),
    name,
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
  );
  const signature = sign('sha256', body, { key: privateKey, dsaEncoding: 'der' });
  return der(TAG.sequence, body, algorithm, der(TAG.bits, Buffer.from([0]), signature));
}

/** GeneralizedTime: `YYYYMMDDHHMMSSZ`. */
function time(unixMs: number): Buffer {
  const text = new Date(unixMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der(TAG.time, Buffer.from(text, 'latin1'));
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length = content.length;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const bytes = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length]), bytes, content]);
}
