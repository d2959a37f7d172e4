/** Reads incentive policies: only the subnet's owner may sign one, the owner is who the chain says, and no signature makes bad constants good. */

import { verifyDocument } from '@celium/chain';
import { policyOfDocument, type IncentivePolicyDocument } from '@celium/contract';
import { policyFault, type IncentivePolicy } from '@celium/domain';

/** Whose signature counts, as read from the chain at a finalised block. */
export interface PolicyOwner {
  netuid: number;
  ownerHotkey: string;
  ownerColdkey: string;
}

/** A policy that may be used. */
export interface ReadPolicy {
  ok: true;
  serial: number;
  fromEpoch: number;
  feeds: readonly string[];
  policy: IncentivePolicy;
}

/** Why a policy is refused; `code` is of the table of errors. */
export interface PolicyRefusal {
  ok: false;
  code: 'BAD_REQUEST' | 'DOCUMENT_UNKNOWN' | 'SIGNATURE_WRONG' | 'KEY_NOT_DELEGATED' | 'CONFLICT';
  message: string;
}

/** Checks one document from outside. Never throws on garbage. */
export function readPolicy(received: unknown, owner: PolicyOwner): ReadPolicy | PolicyRefusal {
  const document = verifyDocument('incentive-policy', received);
  if (!document.ok) return document;
  const { body, ss58 } = document;
  if (ss58 !== owner.ownerHotkey && ss58 !== owner.ownerColdkey)
    return {
      ok: false,
      code: 'KEY_NOT_DELEGATED',
      message: `the policy is signed by ${ss58}; the owner of subnet ${owner.netuid} is ${owner.ownerColdkey} with hotkey ${owner.ownerHotkey}`,
    };
  if (body.netuid !== owner.netuid)
    return { ok: false, code: 'CONFLICT', message: `the policy is for subnet ${body.netuid}, this is ${owner.netuid}` };
  return usable(body);
}

function usable(body: IncentivePolicyDocument): ReadPolicy | PolicyRefusal {
  const policy = policyOfDocument(body);
  const fault = policyFault(policy);
  if (fault !== null) return { ok: false, code: 'BAD_REQUEST', message: `the policy breaks a bound: ${fault}` };
  if (new Set(body.feeds).size < policy.minimumFeeds)
    return {
      ok: false,
      code: 'BAD_REQUEST',
      message: `the policy names fewer feeds than the ${policy.minimumFeeds} it needs`,
    };
  return { ok: true, serial: body.serial, fromEpoch: body.fromEpoch, feeds: body.feeds, policy };
}

/** The policy of an epoch: of those that count from it or earlier the one with the highest serial, of two with one serial the first seen. Null before any. */
export function policyInForce(seen: readonly ReadPolicy[], epoch: number): ReadPolicy | null {
  let best: ReadPolicy | null = null;
  for (const policy of seen) {
    if (policy.fromEpoch <= epoch && (best === null || policy.serial > best.serial)) best = policy;
  }
  return best;
}
