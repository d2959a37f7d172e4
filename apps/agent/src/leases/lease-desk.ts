/**
 * Takes lease requests and commands, whoever brings them (a market's socket or the HTTPS API), and answers with signed documents.
 *
 * One decision at a time. What was decided is on disk before it is answered, and before a container is touched.
 */
import { createHash, randomUUID } from 'node:crypto';
import { documentHash, signDocument, verifyDocument, type VerifiedDocument } from '@celium/chain';
import {
  CeliumError,
  canonicalJson,
  type ErrorCode,
  type LeaseCommand,
  type LeaseRequest,
  type Signed,
} from '@celium/contract';
import { MIN_TERM_MS, decideLease, faultOfPodSpec, parseSshPublicKey, type HeldLease } from '@celium/domain';
import { wait } from '../clock.ts';
import { makeSshHostKey } from '../identity/ssh-host-key.ts';
import { explain } from '../log.ts';
import { choosePorts } from '../pods/port-table.ts';
import { heldLease, type LeaseRecord } from '../store/lease-record.ts';
import { faultOfAuthority } from './authority.ts';
import { runCommand, type CommandAnswer } from './command.ts';
import type { DeskPorts } from './desk-ports.ts';
import { SerialQueue } from './serial-queue.ts';
import { beginTerm, leftOfTermMs } from './term.ts';

/** Clocks lie, so dates are taken generously: tombstones and nonces guard against replays, not dates. */
const MAX_REQUEST_AGE_MS = 60 * 60_000;
/** How long a request waits for a pod that is being removed. */
const STOPPING_PATIENCE_MS = 5_000;
const STOPPING_POLL_MS = 20;

/** `refusal` is null when the request was too broken to name it. */
export type RequestAnswer =
  | { ok: true; grant: Signed<'grant'> }
  | { ok: false; code: ErrorCode; message: string; refusal: Signed<'lease-refusal'> | null };

interface Refusal {
  code: ErrorCode;
  message: string;
  busyWith?: HeldLease;
}

export class LeaseDesk {
  readonly #ports: DeskPorts;
  readonly #queue = new SerialQueue(1_000);

  constructor(ports: DeskPorts) {
    this.#ports = ports;
  }

  /** Answers a lease request as received. `from` (public key, hex) must be its signer. Never throws on bad input. */
  async request(received: unknown, from: string): Promise<RequestAnswer> {
    const checked = verifyDocument('lease-request', received, { signer: from });
    if (!checked.ok) {
      return { ok: false, code: checked.code, message: checked.message, refusal: null };
    }
    this.#ports.crash('agent.request.received');
    try {
      const refusal = await this.#faultOfRequest(checked);
      if (refusal !== null) return await this.#refuse(checked.body.requestId, refusal);
      await this.#awaitStopping(checked.body.units);
      return await this.#queue.run(() => this.#decide(checked));
    } catch (fault) {
      const code = fault instanceof CeliumError ? fault.code : 'INTERNAL';
      this.#ports.log.error(
        { fault: explain(fault), requestId: checked.body.requestId },
        'a request could not be taken',
      );
      return await this.#refuse(checked.body.requestId, {
        code,
        message: fault instanceof CeliumError ? fault.message : 'the agent failed; nothing was half-done',
      });
    }
  }

  /** Carries out a lease command as received, for the lease `leaseId` when that is given. */
  async command(received: unknown, from: string, leaseId?: string): Promise<CommandAnswer> {
    const checked = verifyDocument('lease-command', received, { signer: from });
    if (!checked.ok) return { ok: false, code: checked.code, message: checked.message };
    const command: LeaseCommand = checked.body;
    if (leaseId !== undefined && command.leaseId !== leaseId) {
      return { ok: false, code: 'BAD_REQUEST', message: 'the command is for another lease than the path names' };
    }
    return await this.#queue.run(async () => {
      try {
        return await runCommand(command, documentHash(checked.signed), checked.signer, this.#ports);
      } catch (fault) {
        this.#ports.log.error({ fault: explain(fault), leaseId: command.leaseId }, 'a command could not be taken');
        if (fault instanceof CeliumError) return { ok: false, code: fault.code, message: fault.message };
        return { ok: false, code: 'INTERNAL', message: 'the agent failed; nothing was half-done' };
      }
    });
  }

  async #faultOfRequest(checked: VerifiedDocument<'lease-request'>): Promise<Refusal | null> {
    const { body } = checked;
    const { machine, revoked } = this.#ports.manifest();
    if (revoked) return { code: 'KEY_NOT_DELEGATED', message: 'the provider has taken this machine off its manifest' };
    if (body.machineKey !== this.#ports.identity.machineKey || body.machineId !== machine.machineId) {
      return { code: 'AUDIENCE_WRONG', message: 'the request is for another machine' };
    }
    if (!this.#isKnown(checked)) {
      const ageMs = this.#ports.clock.nowMs() - body.issuedAtMs;
      if (Math.abs(ageMs) > MAX_REQUEST_AGE_MS) {
        return {
          code: 'REQUEST_EXPIRED',
          message: `the request was issued ${Math.round(ageMs / 1000)} s ago by our clock`,
        };
      }
    }
    if (body.podDigest !== digestOf(checked.signed.body.pod)) {
      return { code: 'BAD_REQUEST', message: 'podDigest is not the SHA-256 of the canonical pod spec' };
    }
    const fault = faultOfPodSpec(body.pod);
    if (fault !== null) return { code: 'BAD_POD_SPEC', message: `${fault.field}: ${fault.why}` };
    for (const line of body.sshKeys) {
      const key = parseSshPublicKey(line);
      if (!key.ok) return { code: 'BAD_SSH_KEY', message: key.why };
    }
    return await faultOfAuthority(body, checked.signer, checked.ss58, machine, this.#ports.hasPermit);
  }

  #isKnown(checked: VerifiedDocument<'lease-request'>): boolean {
    const { requestId } = checked.body;
    return (
      this.#ports.store.isBuried(checked.signer, requestId) ||
      this.#ports.store.open().some(({ grant }) => grant.body.requestId === requestId)
    );
  }

  /** A pod on its way out holds its units for a fraction of a second: waiting is kinder than a refusal. */
  async #awaitStopping(units: readonly string[]): Promise<void> {
    const { clock, store } = this.#ports;
    const deadlineMs = clock.monotonicMs() + STOPPING_PATIENCE_MS;
    const isStopping = (): boolean =>
      store.open().some((one) => one.end !== null && one.grant.body.units.some((unit) => units.includes(unit)));
    while (isStopping() && clock.monotonicMs() < deadlineMs) await wait(clock, STOPPING_POLL_MS);
  }

  async #decide(checked: VerifiedDocument<'lease-request'>): Promise<RequestAnswer> {
    const { store, clock, work } = this.#ports;
    const { body, signer } = checked;
    const termMs = body.kind === 'verification' ? body.termMs : Math.max(body.termMs, MIN_TERM_MS);
    const answer = decideLease(
      { requestId: body.requestId, authority: signer, units: body.units, kind: body.kind, termMs },
      {
        units: this.#ports.manifest().machine.units,
        fences: store.fences(),
        open: store.open().map(heldLease),
        tombstones: new Set(store.isBuried(signer, body.requestId) ? [body.requestId] : []),
      },
      Math.floor(clock.nowMs()),
    );
    if (!answer.ok) return await this.#refuse(body.requestId, this.#explainRefusal(answer.refusal, answer.busyWith));
    if ('repeated' in answer) {
      const record = store.lease(answer.repeated.leaseId);
      if (record !== undefined && record.end === null) return { ok: true, grant: record.grant };
      return await this.#refuse(body.requestId, { code: 'REQUEST_STOPPED', message: 'this lease was stopped before' });
    }
    const trouble = work.trouble();
    if (trouble !== null) return await this.#refuse(body.requestId, trouble);
    const granted = await this.#grant(checked, answer.fence, termMs);
    if ('code' in granted) return await this.#refuse(body.requestId, granted);
    this.#ports.crash('agent.grant.stored');
    work.begin(granted.leaseId);
    return { ok: true, grant: granted.grant };
  }

  async #grant(
    checked: VerifiedDocument<'lease-request'>,
    fence: number,
    termMs: number,
  ): Promise<LeaseRecord | Refusal> {
    const { identity, store, folders, clock } = this.#ports;
    const { body, signer } = checked;
    const { machine } = this.#ports.manifest();
    const ports = await choosePorts([22, ...body.pod.ports], machine.portRange, store.heldPorts(), wantedPorts(body));
    if (ports === null) {
      return { code: 'UNITS_BUSY', message: `no ${1 + body.pod.ports.length} ports are free in the machine’s range` };
    }
    const leaseId = randomUUID();
    const hostKey = makeSshHostKey();
    const sshKeys = body.sshKeys.map(keyLine);
    const [grant] = await Promise.all([
      signDocument(
        'grant',
        {
          leaseId,
          requestId: body.requestId,
          requestHash: documentHash(checked.signed),
          authority: signer,
          machineId: machine.machineId,
          units: [...body.units],
          fence,
          kind: body.kind,
          termMs,
          hostKey: hostKey.publicKeyLine,
          ports,
          bootId: identity.bootId,
          agentInstanceId: identity.agentInstanceId,
          issuedAtMs: Math.floor(clock.nowMs()),
        },
        identity.key,
      ),
      folders.create(leaseId, hostKey.privateKeyFile, sshKeys),
    ]);
    const record: LeaseRecord = {
      leaseId,
      request: checked.signed,
      grant,
      sequence: body.sequence,
      commandHash: null,
      sshKeys,
      term: beginTerm(termMs, { bootId: identity.bootId, monotonicMs: clock.monotonicMs() }),
      grantedAtMs: Math.floor(clock.nowMs()),
      podInstance: null,
      ready: null,
      notedReadyMs: 0,
      end: null,
      gone: null,
      noted: false,
      published: 'nothing',
    };
    try {
      store.grant(record);
    } catch (fault) {
      await folders.remove(leaseId);
      throw fault;
    }
    return record;
  }

  #explainRefusal(code: ErrorCode, busyWith?: HeldLease): Refusal {
    if (busyWith === undefined) return { code, message: messageOfRefusal(code) };
    const record = this.#ports.store.lease(busyWith.leaseId);
    const { identity, clock } = this.#ports;
    const leftMs =
      record === undefined
        ? 0
        : leftOfTermMs(record.term, { bootId: identity.bootId, monotonicMs: clock.monotonicMs() });
    const message =
      busyWith.kind === 'verification'
        ? `a validator’s check runs on the unit for at most ${Math.ceil(leftMs / 1000)} s more: try again then`
        : `another ${busyWith.kind} lease holds the unit`;
    return { code, message, busyWith };
  }

  async #refuse(requestId: string, refusal: Refusal): Promise<RequestAnswer> {
    const { code, message, busyWith } = refusal;
    const { identity, clock, store } = this.#ports;
    const held = busyWith === undefined ? undefined : store.lease(busyWith.leaseId)?.grant;
    const body = {
      requestId,
      machineId: this.#ports.manifest().machine.machineId,
      code,
      message: message.slice(0, 500),
      ...(held === undefined ? {} : { busyWith: held as never }),
      issuedAtMs: Math.floor(clock.nowMs()),
    };
    this.#ports.log.info({ requestId, code }, 'lease refused');
    return { ok: false, code, message, refusal: await signDocument('lease-refusal', body, identity.key) };
  }
}

/** SHA-256 of a pod spec's canonical form, hex: a request's `podDigest`. */
export function digestOf(pod: LeaseRequest['pod']): string {
  return createHash('sha256').update(canonicalJson(pod)).digest('hex');
}

function keyLine(text: string): string {
  const key = parseSshPublicKey(text);
  if (!key.ok) throw new CeliumError('BAD_SSH_KEY', key.why);
  return key.line;
}

function messageOfRefusal(code: ErrorCode): string {
  switch (code) {
    case 'UNITS_UNKNOWN':
      return 'the machine has no such unit';
    case 'TERM_TOO_LONG':
      return 'the term is longer than this kind of lease may be';
    case 'REQUEST_STOPPED':
      return 'this lease was stopped before: send a new request with a new id';
    default:
      return 'the lease is refused';
  }
}

/** Only a check may choose: it has to come round the whole range, while whoever rents is given what is free. */
function wantedPorts({ kind, pod, hostPorts }: LeaseRequest): Map<number, number> {
  if (kind !== 'verification' || hostPorts === undefined) return new Map();
  return new Map(
    pod.ports.flatMap((port, index) => {
      const host = hostPorts[index];
      return host === undefined ? [] : [[port, host] as const];
    }),
  );
}
