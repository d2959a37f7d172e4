/** The agent's TLS key and self-signed certificate. Callers pin the key's hash from the manifest; names and dates are for show. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { selfSignedCertificate } from './certificate.ts';
import { writeNewFile } from './new-file.ts';

/** `keyHash` is SHA-256 of the public key (SubjectPublicKeyInfo, DER) in hex, as the manifest has it. */
export interface TlsIdentity {
  keyPem: string;
  certificatePem: string;
  keyHash: string;
}

const DAY_MS = 24 * 3_600_000;
const VALID_DAYS = 30 * 365;

/** The TLS identity of a state folder, made on first use. Key and certificate are one file, so that both or none exist. */
export function openTlsIdentity(stateDir: string, nowMs: number): TlsIdentity {
  const path = join(stateDir, 'tls.pem');
  if (!existsSync(path)) writeNewFile(path, makeTlsFile(nowMs), 0o600);
  const text = readFileSync(path, 'utf8');
  const certificateAt = text.indexOf('-----BEGIN CERTIFICATE-----');
  const keyPem = text.slice(0, certificateAt);
  return { keyPem, certificatePem: text.slice(certificateAt), keyHash: tlsKeyHash(keyPem) };
}

/** SHA-256 of the public half (SubjectPublicKeyInfo, DER) of a PEM private key, in hex. */
export function tlsKeyHash(keyPem: string): string {
  const publicKey = createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(publicKey).digest('hex');
}

function makeTlsFile(nowMs: number): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = selfSignedCertificate(privateKey, {
    subject: 'celium-agent',
    serial: randomBytes(15),
    notBeforeMs: nowMs - DAY_MS,
    notAfterMs: nowMs + VALID_DAYS * DAY_MS,
  });
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return `${keyPem}-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
