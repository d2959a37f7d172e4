/** What convicts a machine of leasing one unit twice, and what never does. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findDoubleGrant, type LeaseEntry, PUBLISHED_WITHIN_MS, type SeenGrant } from './double-grant.ts';

const grantOf = (leaseId: string, fence: number, units = ['GPU-1']): SeenGrant => ({
  leaseId,
  units,
  fence,
  issuedAtMs: fence,
});
const granted = (grant: SeenGrant): LeaseEntry => ({ kind: 'granted', grant, atMs: grant.issuedAtMs + 10 });
const ended = (leaseId: string, atMs: number): LeaseEntry => ({ kind: 'ended', leaseId, atMs });

const A = grantOf('a', 1_000);
const B = grantOf('b', 2_000);
const LATER = 10_000_000;

/** A life of honest grants and ends over three units: a unit is granted again only after its end was logged. */
const honestLife = fc
  .array(fc.tuple(fc.subarray(['GPU-1', 'GPU-2', 'GPU-3'], { minLength: 1 }), fc.nat(5_000)), { maxLength: 40 })
  .map((asks) => {
    const log: LeaseEntry[] = [];
    const grants: SeenGrant[] = [];
    let open: SeenGrant[] = [];
    let nowMs = 1_000;
    for (const [units, waitMs] of asks) {
      nowMs += waitMs + 1;
      for (const held of open.filter((lease) => lease.units.some((unit) => units.includes(unit)))) {
        log.push(ended(held.leaseId, nowMs));
        open = open.filter((lease) => lease !== held);
      }
      const grant = grantOf(`lease-${grants.length}`, nowMs, units);
      log.push(granted(grant));
      grants.push(grant);
      open.push(grant);
    }
    return { log, grants };
  });

test('an honest machine is never convicted, whatever grants of it are held by others', () => {
  fc.assert(
    fc.property(honestLife, ({ log, grants }) => {
      expect(findDoubleGrant(log, grants, LATER)).toBeNull();
    }),
  );
});

test('one grant too many is found in every honest life, logged or hidden', () => {
  fc.assert(
    fc.property(honestLife, fc.nat(), ({ log, grants }, at) => {
      fc.pre(grants.length > 0);
      const victim = grants[at % grants.length]!;
      const second = grantOf('second', victim.fence + 0.5, [victim.units[0]!]);
      expect(findDoubleGrant(log, [...grants, second], LATER)?.proof).toBe('hidden');
      const place = log.findIndex((entry) => entry.kind === 'granted' && entry.grant === victim);
      const shown = log.toSpliced(place + 1, 0, granted(second));
      expect(findDoubleGrant(shown, grants, LATER)?.proof).toBe('overlap');
    }),
  );
});

test('a second lease after the end of the first is no fraud, before it is one', () => {
  expect(findDoubleGrant([granted(A), ended('a', 1_500), granted(B)], [A, B], LATER)).toBeNull();
  const early = findDoubleGrant([granted(A), granted(B), ended('a', 2_500)], [], LATER);
  expect(early).toEqual({ proof: 'overlap', unit: 'GPU-1', leaseIds: ['a', 'b'] });
});

test('two leases of different units of one machine may run at once', () => {
  expect(findDoubleGrant([granted(A), granted(grantOf('b', 2_000, ['GPU-2']))], [], LATER)).toBeNull();
});

test('a fence that is used twice or goes back convicts, also without the log', () => {
  const twin = grantOf('twin', A.fence);
  expect(findDoubleGrant([], [A, twin], 0)).toEqual({ proof: 'fence', unit: 'GPU-1', leaseIds: ['a', 'twin'] });
  expect(findDoubleGrant([granted(B), ended('b', 3_000), granted(A)], [], LATER)?.proof).toBe('fence');
});

test('a grant that the log leaves out convicts only once it was due', () => {
  expect(findDoubleGrant([], [A], A.issuedAtMs + PUBLISHED_WITHIN_MS - 1)).toBeNull();
  expect(findDoubleGrant([], [A], A.issuedAtMs + PUBLISHED_WITHIN_MS)).toMatchObject({ proof: 'hidden' });
});
