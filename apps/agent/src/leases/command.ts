/** Later commands on a lease: stop, renew, change SSH keys. A repeated one is answered as before and does nothing. */
import type { ErrorCode, LeaseCommand } from '@celium/contract';
import { MAX_CHECK_TERM_MS, MAX_TERM_MS, MIN_TERM_MS, decideCommand, parseSshPublicKey } from '@celium/domain';
import { heldLease } from '../store/lease-record.ts';
import type { DeskPorts } from './desk-ports.ts';
import { beginTerm, learnElapsed, type Moment } from './term.ts';

export type CommandAnswer = { ok: true; leaseId: string } | { ok: false; code: ErrorCode; message: string };

type CommandPorts = Pick<DeskPorts, 'identity' | 'store' | 'folders' | 'work' | 'clock'>;

/** Carries out a command whose signature is right. `hash` names it, `signer` is the key (hex) that signed. */
export async function runCommand(
  command: LeaseCommand,
  hash: string,
  signer: string,
  ports: CommandPorts,
): Promise<CommandAnswer> {
  const record = ports.store.lease(command.leaseId);
  if (record === undefined) {
    // Its request may still be on the way: it must not bring the lease back.
    if (command.action.type === 'stop') ports.store.bury(signer, command.requestId, ports.clock.nowMs());
    return refuse('LEASE_UNKNOWN', 'the agent has no lease of that id');
  }
  const done: CommandAnswer = { ok: true, leaseId: record.leaseId };
  if (record.commandHash === hash && record.grant.body.authority === signer) {
    if (record.gone !== null) ports.work.tellAgain(record.leaseId);
    return done;
  }
  const decision = decideCommand({ ...command, authority: signer }, heldLease(record));
  if (!decision.ok) return refuse(decision.refusal, messageOf(decision.refusal));
  if (record.end !== null) {
    if (command.action.type !== 'stop') return refuse('LEASE_UNKNOWN', 'the lease has ended');
    ports.work.tellAgain(record.leaseId);
    return done;
  }
  const now: Moment = { bootId: ports.identity.bootId, monotonicMs: ports.clock.monotonicMs() };
  const elapsedMs = Math.max(0, command.issuedAtMs - record.request.body.issuedAtMs);
  const taken = {
    sequence: command.sequence,
    commandHash: hash,
    term: learnElapsed(record.term, elapsedMs, now),
  };
  switch (command.action.type) {
    case 'stop':
      ports.work.end(record.leaseId, 'stopped', null, taken);
      return done;
    case 'renew': {
      const { kind } = record.grant.body;
      const longestMs = kind === 'verification' ? MAX_CHECK_TERM_MS : MAX_TERM_MS;
      if (command.action.termMs > longestMs) return refuse('TERM_TOO_LONG', 'the term is longer than it may be');
      const termMs = kind === 'verification' ? command.action.termMs : Math.max(command.action.termMs, MIN_TERM_MS);
      ports.store.update(record.leaseId, { ...taken, term: beginTerm(termMs, now) });
      ports.work.rearm(record.leaseId);
      return done;
    }
    case 'set-ssh-keys': {
      const keys = command.action.sshKeys.map(parseSshPublicKey);
      const bad = keys.find((key) => !key.ok);
      if (bad !== undefined && !bad.ok) return refuse('BAD_SSH_KEY', bad.why);
      const lines = keys.flatMap((key) => (key.ok ? [key.line] : []));
      ports.store.update(record.leaseId, { ...taken, sshKeys: lines });
      await ports.folders.writeKeys(record.leaseId, lines);
      ports.work.keysChanged(record.leaseId);
      return done;
    }
  }
}

function messageOf(code: ErrorCode): string {
  switch (code) {
    case 'NOT_YOUR_LEASE':
      return 'another authority holds this lease';
    case 'FENCE_OLD':
      return 'the fence is not the one of the open lease';
    case 'SEQUENCE_OLD':
      return 'the sequence number was used before: number commands of one lease upwards';
    default:
      return 'the agent has no open lease of that id';
  }
}

function refuse(code: ErrorCode, message: string): CommandAnswer {
  return { ok: false, code, message };
}
