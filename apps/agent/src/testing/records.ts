/** Lease records for tests that need no signatures. */
import type { LeaseRecord } from '../store/lease-record.ts';

const HEX = 'ab'.repeat(32);

/** An open lease that was just granted, with `change` applied; the number makes its ids. */
export function leaseRecord(number: number, change: Partial<LeaseRecord> = {}, unit = `cpu:m${number}`): LeaseRecord {
  const id = (kind: string): string => `${kind.repeat(8)}-0000-4000-8000-${String(number).padStart(12, '0')}`;
  const signed = { version: 1, signer: HEX, signature: HEX.repeat(2) };
  const pod = { image: 'celium/base:bookworm', env: {}, ports: [], volumeBytes: 0 };
  const common = { requestId: id('b'), machineId: 'm', units: [unit], kind: 'paid' as const, termMs: 86_400_000 };
  return {
    leaseId: id('a'),
    request: {
      document: 'lease-request',
      ...signed,
      body: {
        ...common,
        authorityKind: 'market',
        machineKey: HEX,
        pod,
        podDigest: HEX,
        sshKeys: [],
        sequence: 1,
        issuedAtMs: 1_000,
      },
    },
    grant: {
      document: 'grant',
      ...signed,
      body: {
        ...common,
        leaseId: id('a'),
        requestHash: HEX,
        authority: HEX,
        fence: 1_000 + number,
        hostKey: 'ssh-ed25519 AAAA',
        ports: [{ pod: 22, host: 20_000 + number }],
        bootId: 'boot',
        agentInstanceId: 'run',
        issuedAtMs: 1_000,
      },
    },
    sequence: 1,
    commandHash: null,
    sshKeys: [],
    term: { termMs: 86_400_000, bootId: 'boot', fromMs: 0, usedMs: 0 },
    grantedAtMs: 1_000,
    podInstance: null,
    ready: null,
    notedReadyMs: 0,
    end: null,
    gone: null,
    noted: false,
    published: 'nothing',
    ...change,
  };
}
