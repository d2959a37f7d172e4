/** Who calls: API keys of accounts, the operator's key, and signed requests of validators. Each route says which it wants. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { CeliumError, type Access, type Scope } from '@celium/contract';
import { verifyRequest, type NonceStore } from '@celium/chain';
import type { FastifyRequest } from 'fastify';
import type { MarketPorts } from '../ports.ts';
import type { Caller } from './handlers.ts';

/** Establishes the caller as the rule wants it. Throws UNAUTHENTICATED, FORBIDDEN, or what a signed request lacks. */
export type Authenticate = (access: Access, request: FastifyRequest) => Promise<Caller>;

export interface AccessParts {
  ports: MarketPorts;
  nonces: NonceStore;
  /** SHA-256 of the operator's key. */
  operatorKeyHash: Buffer;
  findApiKey(keyHash: Buffer): Promise<{ accountId: string; scopes: Scope[] } | null>;
  /** Told of every refused signature: it goes to the public log. */
  onRefusedSignature(refusal: { code: string; signer: string | null; path: string }): void;
}

export function makeAuthenticate(parts: AccessParts): Authenticate {
  return async (access, request) => {
    switch (access.kind) {
      case 'public':
        return { kind: 'public' };
      case 'operator':
        return authenticateOperator(parts, request);
      case 'account':
        return authenticateAccount(parts, access.scope, request);
      case 'validator':
        return authenticateValidator(parts, request);
    }
  };
}

/** SHA-256 of a secret of 256 random bits: all that is kept of it. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function bearer(request: FastifyRequest): string {
  const header = request.headers.authorization;
  const match = /^Bearer ([A-Za-z0-9_-]{16,200})$/i.exec(header ?? '');
  if (match?.[1] === undefined) throw new CeliumError('UNAUTHENTICATED');
  return match[1];
}

function authenticateOperator(parts: AccessParts, request: FastifyRequest): Caller {
  if (!timingSafeEqual(hashSecret(bearer(request)), parts.operatorKeyHash)) {
    throw new CeliumError('UNAUTHENTICATED', 'this is not the operator’s key of this market');
  }
  return { kind: 'operator' };
}

async function authenticateAccount(parts: AccessParts, scope: Scope, request: FastifyRequest): Promise<Caller> {
  const found = await parts.findApiKey(hashSecret(bearer(request)));
  if (found === null) throw new CeliumError('UNAUTHENTICATED', 'this API key is not known here, or was revoked');
  if (!found.scopes.includes(scope)) throw new CeliumError('FORBIDDEN', `this key lacks the scope ${scope}`);
  return { kind: 'account', accountId: found.accountId, scopes: found.scopes };
}

async function authenticateValidator(parts: AccessParts, request: FastifyRequest): Promise<Caller> {
  const { clock, key } = parts.ports;
  const received = {
    method: request.method,
    path: request.url,
    headers: request.headers,
    ...(request.rawBody === null ? {} : { body: request.rawBody }),
  };
  const verified = await verifyRequest(received, { self: key, now: () => clock.now(), nonces: parts.nonces });
  if (!verified.ok) {
    const signer = request.headers['x-celium-key'];
    parts.onRefusedSignature({
      code: verified.code,
      signer: typeof signer === 'string' ? signer.slice(0, 64) : null,
      path: request.url,
    });
    const details = verified.clock === undefined ? {} : { details: { clock: verified.clock } };
    throw new CeliumError(verified.code, verified.message, details);
  }
  if (!(await parts.ports.hasPermit(verified.ss58))) {
    throw new CeliumError('KEY_NOT_DELEGATED', `${verified.ss58} has no validator permit on this subnet`);
  }
  return { kind: 'validator', hotkey: verified.ss58 };
}
