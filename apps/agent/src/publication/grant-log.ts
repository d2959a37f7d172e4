/**
 * The agent's published log: every grant within a minute, and every end. Whoever holds two overlapping grants for one unit under
 * one machine key holds proof of fraud; authorities appear under a pseudonym.
 */
import { createHash, createHmac } from 'node:crypto';
import { documentHash, type SqliteLog } from '@celium/chain';
import type { LogEntry, Signed } from '@celium/contract';
import type { Clock } from '../clock.ts';
import type { AgentIdentity } from '../leases/desk-ports.ts';
import { explain, type Log } from '../log.ts';
import type { LeaseRecord } from '../store/lease-record.ts';
import type { LeaseStore } from '../store/lease-store.ts';

/** Off the way of a request, and far below the minute. */
const DELAY_MS = 2_000;
const RETRY_MS = 15_000;
/** How far back entries are compared after a crash between log and store. */
const COMPARED_ENTRIES = 1_000;
const PSEUDONYM_DIGITS = 32;

export interface GrantLogPorts {
  identity: AgentIdentity;
  store: LeaseStore;
  log: SqliteLog;
  clock: Clock;
  report: Log;
}

export class GrantLog {
  readonly #ports: GrantLogPorts;
  readonly #pseudonymKey: Buffer;
  #scheduled = false;

  constructor(ports: GrantLogPorts) {
    this.#ports = ports;
    // Known to us alone, and the same after a restart: nobody can try out which authority a pseudonym is.
    const secret = ports.identity.key.revealSecrets().secretKey;
    this.#pseudonymKey = createHash('sha256').update('celium/pseudonym/v1\n').update(secret).digest();
  }

  /** Something may be to be published; it is, a little later. */
  note(delayMs = DELAY_MS): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#ports.clock.after(delayMs, () => {
      this.#scheduled = false;
      try {
        this.publish();
      } catch (fault) {
        this.#ports.report.error({ fault: explain(fault) }, 'the log could not be written; it is tried again');
        this.note(RETRY_MS);
      }
    });
  }

  /** Appends everything that is not in the log yet. Throws `DISK_FULL`. */
  publish(): void {
    const waiting = this.#ports.store
      .all()
      .filter((record) => record.published === 'nothing' || (record.published === 'grant' && record.gone !== null))
      // By fence, not by the clock: a clock that went back must not put a grant before the end of the one that it followed.
      .sort((a, b) => a.grant.body.fence - b.grant.body.fence);
    if (waiting.length === 0) return;
    const { position } = this.#ports.log;
    const recent = this.#ports.log.entries(Math.max(1, position.height - COMPARED_ENTRIES), COMPARED_ENTRIES + 1);
    for (const record of waiting) {
      if (record.published === 'nothing') {
        this.#append('grant', record, recent, this.#grantBody(record));
        this.#ports.store.update(record.leaseId, { published: 'grant' }, false);
      }
      if (record.gone === null) continue;
      const body = { leaseId: record.leaseId, fence: record.grant.body.fence, reason: record.end?.reason ?? 'stopped' };
      this.#append('lease-ended', record, recent, body);
      this.#ports.store.update(record.leaseId, { published: 'end' }, false);
    }
  }

  /** The signed head, and entries from `from` (1 is the first) on. */
  async read(from: number, limit: number): Promise<{ head: Signed<'log-head'>; entries: LogEntry[] }> {
    const { log, identity, clock } = this.#ports;
    const head = await log.signHead(identity.key, Math.floor(clock.nowMs()));
    return { head, entries: log.entries(from, limit).filter((entry) => entry.seq <= head.body.height) };
  }

  #append(kind: string, record: LeaseRecord, recent: readonly LogEntry[], body: object): void {
    const isThere = recent.some(
      (entry) => entry.kind === kind && (entry.body as { leaseId?: unknown }).leaseId === record.leaseId,
    );
    if (!isThere) this.#ports.log.append(kind, body, Math.floor(this.#ports.clock.nowMs()));
  }

  #grantBody(record: LeaseRecord): object {
    const { body } = record.grant;
    return {
      leaseId: body.leaseId,
      grantHash: documentHash(record.grant),
      units: body.units,
      fence: body.fence,
      kind: body.kind,
      termMs: body.termMs,
      issuedAtMs: body.issuedAtMs,
      authority: createHmac('sha256', this.#pseudonymKey)
        .update(body.authority)
        .digest('hex')
        .slice(0, PSEUDONYM_DIGITS),
    };
  }
}
