/** Routes of people: sign up, log in, API keys, SSH keys, balance. */

import { z } from 'zod';
import { amount, decimal, sshPublicKeyLine, unixMs, uuid } from '../fields.ts';
import { defineRoute, SCOPES } from './define-route.ts';

const email = z.email().max(254);
const password = z.string().min(10).max(200);

export const session = z.object({
  accountId: uuid,
  email,
  /** Shown once: `cel_live_...`. */
  apiKey: z.string(),
  scopes: z.array(z.enum(SCOPES)),
});

export const sshKey = z.object({
  id: uuid,
  name: z.string(),
  /** `SHA256:...` as OpenSSH prints it. */
  fingerprint: z.string(),
  publicKey: sshPublicKeyLine,
  createdAtMs: unixMs,
});

export const ledgerLine = z.object({
  transferId: uuid,
  atMs: unixMs,
  kind: z.string(),
  account: z.string(),
  amountMicroUsd: decimal,
  rentalId: uuid.nullable(),
});

export const accountRoutes = {
  signUp: defineRoute({
    operationId: 'signUp',
    method: 'POST',
    path: '/v1/accounts',
    summary: 'Sign up with an e-mail address and a password; the answer holds a first API key.',
    access: { kind: 'public' },
    rateClass: 'login',
    idempotent: false,
    body: z.object({ email, password }),
    status: 201,
    reply: session,
  }),
  logIn: defineRoute({
    operationId: 'logIn',
    method: 'POST',
    path: '/v1/sessions',
    summary: 'Log in; the answer holds a new API key.',
    access: { kind: 'public' },
    rateClass: 'login',
    idempotent: false,
    body: z.object({ email, password: z.string().max(200) }),
    status: 201,
    reply: session,
  }),
  getAccount: defineRoute({
    operationId: 'getAccount',
    method: 'GET',
    path: '/v1/account',
    summary: 'Whose key this is.',
    access: { kind: 'account', scope: 'account:read' },
    rateClass: 'read',
    idempotent: false,
    status: 200,
    reply: z.object({ accountId: uuid, email, createdAtMs: unixMs }),
  }),
  getBalance: defineRoute({
    operationId: 'getBalance',
    method: 'GET',
    path: '/v1/balance',
    summary: 'Money available, and money held for rentals, in micro-dollars.',
    access: { kind: 'account', scope: 'account:read' },
    rateClass: 'read',
    idempotent: false,
    status: 200,
    reply: z.object({ availableMicroUsd: decimal, heldMicroUsd: decimal }),
  }),
  listLedger: defineRoute({
    operationId: 'listLedger',
    method: 'GET',
    path: '/v1/ledger',
    summary: 'Every ledger entry of this account and of its rentals, newest first.',
    access: { kind: 'account', scope: 'account:read' },
    rateClass: 'read',
    idempotent: false,
    query: z.object({ rentalId: uuid.optional(), limit: z.coerce.number().int().min(1).max(1_000).default(200) }),
    status: 200,
    reply: z.object({ lines: z.array(ledgerLine) }),
  }),
  addSshKey: defineRoute({
    operationId: 'addSshKey',
    method: 'POST',
    path: '/v1/ssh-keys',
    summary: 'Add an SSH public key; pods rented from now on accept it.',
    access: { kind: 'account', scope: 'keys:write' },
    rateClass: 'write',
    idempotent: true,
    body: z.object({ name: z.string().min(1).max(100), publicKey: z.string().max(16_384) }),
    status: 201,
    reply: sshKey,
  }),
  listSshKeys: defineRoute({
    operationId: 'listSshKeys',
    method: 'GET',
    path: '/v1/ssh-keys',
    summary: 'SSH public keys of the account.',
    access: { kind: 'account', scope: 'account:read' },
    rateClass: 'read',
    idempotent: false,
    status: 200,
    reply: z.object({ keys: z.array(sshKey) }),
  }),
  removeSshKey: defineRoute({
    operationId: 'removeSshKey',
    method: 'DELETE',
    path: '/v1/ssh-keys/:keyId',
    summary: 'Remove an SSH public key; it is also taken out of running pods.',
    access: { kind: 'account', scope: 'keys:write' },
    rateClass: 'write',
    idempotent: false,
    params: z.object({ keyId: uuid }),
    status: 200,
    reply: z.object({ removed: z.literal(true) }),
  }),
  grantCredit: defineRoute({
    operationId: 'grantCredit',
    method: 'POST',
    path: '/v1/operator/credits',
    summary: 'The operator gives an account credit.',
    access: { kind: 'operator' },
    rateClass: 'write',
    idempotent: true,
    body: z.object({ email, amountMicroUsd: amount, note: z.string().max(200).default('') }),
    status: 201,
    reply: z.object({ transferId: uuid, availableMicroUsd: decimal }),
  }),
  auditLedger: defineRoute({
    operationId: 'auditLedger',
    method: 'GET',
    path: '/v1/operator/ledger-audit',
    summary: 'Sum of all ledger entries (must be zero), and the balance of every account class.',
    access: { kind: 'operator' },
    rateClass: 'read',
    idempotent: false,
    status: 200,
    reply: z.object({
      ledgerSumMicroUsd: decimal,
      accounts: z.array(z.object({ account: z.string(), balanceMicroUsd: decimal })),
      violations: z.array(z.string()),
    }),
  }),
};
