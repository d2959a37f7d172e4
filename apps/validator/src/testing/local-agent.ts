/** An agent for tests that keeps the real rules (domain) and signs real documents, with no pods behind it. */

import { documentHash, keyFromUri, signConsent, signDocument, verifyDocument, type KeyPair } from '@celium/chain';
import { CeliumError, type LeaseStatus, type ManifestMachine, type Signed } from '@celium/contract';
import { decideCommand, decideLease, type HeldLease } from '@celium/domain';
import type { AgentPort, CommandAnswer, LeaseAnswer } from '../ports.ts';

interface LocalLease {
  held: HeldLease;
  grant: Signed<'grant'>;
}

/** The market that the manifest of every test machine lists. */
export const MARKET = keyFromUri('//market');

/** Consents of machines are a matter of other tests; a thousand real ones would be most of what a test of a thousand machines costs. */
export const GIVEN_CONSENT = { issuedAtMs: 1, signature: '0'.repeat(128) };
export const consentAsGiven = (): boolean => true;

/** Keys of machines and providers are derived from these by name. */
const AGENTS = keyFromUri('//test-agents');
const PROVIDERS = keyFromUri('//test-providers');

/** Host key of every pod of this agent. */
export const POD_HOST_KEY = `ssh-ed25519 ${Buffer.concat([
  Buffer.from('0000000b7373682d6564323535313900000020', 'hex'),
  Buffer.alloc(32, 7),
]).toString('base64')}`;

/** One machine and its agent. Fields may be changed by a test at any time. */
export class LocalAgent implements AgentPort {
  readonly key: KeyPair;
  readonly provider: KeyPair;
  readonly machine: ManifestMachine;
  readonly leases = new Map<string, LocalLease>();
  readonly tombstones = new Set<string>();
  readonly #fences = new Map<string, number>();
  /** Nothing answers while this is true. */
  down = false;
  /** Answers to this many calls are lost on the way back, after they took effect. */
  loseAnswers = 0;
  podState: LeaseStatus['state'] = 'ready';
  goneReason: LeaseStatus['goneReason'] = null;
  nowMs: () => number;

  constructor(options: {
    nowMs: () => number;
    units?: string[];
    name?: string;
    declaredWorkPerSecond?: number;
    provider?: KeyPair;
  }) {
    const name = options.name ?? 'box';
    this.nowMs = options.nowMs;
    this.key = AGENTS.deriveHard(name);
    this.provider = options.provider ?? PROVIDERS.deriveHard(name);
    this.machine = {
      machineId: name,
      machineKey: Buffer.from(this.key.publicKey).toString('hex'),
      agentUrl: 'https://127.0.0.1:7755',
      tlsKeyHash: 'ab'.repeat(32),
      publicHost: '127.0.0.1',
      portRange: { from: 40_000, to: 40_100 },
      units: options.units ?? [`cpu:${name}`],
      offer: { priceMicroUsdPerUnitHour: '360000', committedUntilMs: 0 },
      declaredWorkPerSecond: options.declaredWorkPerSecond ?? 100,
      host: { cpuCores: 2, memoryBytes: 4_000_000_000, diskBytes: 10_000_000_000 },
      markets: [{ url: 'http://127.0.0.1:7740', key: Buffer.from(MARKET.publicKey).toString('hex') }],
      payoutColdkey: this.provider.ss58,
    };
  }

  async manifest(serial = 1, overrides: Partial<Signed<'manifest'>['body']> = {}): Promise<Signed<'manifest'>> {
    const { machineId } = this.machine;
    this.machine.consent ??= await signConsent(this.key, { hotkey: this.provider.ss58, machineId, issuedAtMs: 1 });
    const body = {
      hotkey: this.provider.ss58,
      netuid: 51,
      serial,
      issuedAtMs: 1,
      machines: [this.machine],
      ...overrides,
    };
    return await signDocument('manifest', body, this.provider);
  }

  /** Units that are leased now. */
  leasedUnits(): string[] {
    return [...this.leases.values()].flatMap((lease) => lease.held.units);
  }

  /** Gives units to another authority, as a market's paid lease. */
  async leaseTo(authority: KeyPair, units: string[], signer: KeyPair = this.key): Promise<Signed<'grant'>> {
    const fence = 1 + Math.max(0, ...units.map((unit) => this.#fences.get(unit) ?? 0));
    for (const unit of units) this.#fences.set(unit, fence);
    const held: HeldLease = {
      leaseId: crypto.randomUUID(),
      requestId: crypto.randomUUID(),
      authority: Buffer.from(authority.publicKey).toString('hex'),
      units,
      kind: 'paid',
      fence,
      sequence: 1,
    };
    const grant = await this.#grant(held, 'cd'.repeat(32), signer);
    this.leases.set(held.leaseId, { held, grant });
    return grant;
  }

  async requestLease(_agent: unknown, request: Signed<'lease-request'>): Promise<LeaseAnswer> {
    if (this.down) return { kind: 'error', code: 'AGENT_UNAVAILABLE', message: 'down', reachable: false };
    const verified = verifyDocument('lease-request', request);
    if (!verified.ok) throw new CeliumError(verified.code, verified.message);
    const ask = { ...verified.body, authority: verified.signer };
    const open = [...this.leases.values()].map((lease) => lease.held);
    const answer = decideLease(
      ask,
      { units: this.machine.units, fences: this.#fences, open, tombstones: this.tombstones },
      this.nowMs(),
    );
    if (!answer.ok) return this.#refuse(request, answer.refusal, answer.busyWith);
    if ('repeated' in answer)
      return this.#lossy({ kind: 'granted', grant: this.leases.get(answer.repeated.leaseId)!.grant });
    const held: HeldLease = { ...ask, leaseId: crypto.randomUUID(), fence: answer.fence };
    for (const unit of ask.units) this.#fences.set(unit, answer.fence);
    const grant = await this.#grant(held, documentHash(request), this.key, verified.body);
    this.leases.set(held.leaseId, { held, grant });
    return this.#lossy({ kind: 'granted', grant });
  }

  async leaseStatus(_agent: unknown, leaseId: string): Promise<CommandAnswer> {
    if (this.down) return { kind: 'error', code: 'AGENT_UNAVAILABLE', message: 'down', reachable: false };
    const lease = this.leases.get(leaseId);
    if (lease === undefined) return { kind: 'error', code: 'LEASE_UNKNOWN', message: 'unknown', reachable: true };
    return { kind: 'done', lease: this.#status(lease, this.podState) };
  }

  async command(_agent: unknown, command: Signed<'lease-command'>): Promise<CommandAnswer> {
    if (this.down) return { kind: 'error', code: 'AGENT_UNAVAILABLE', message: 'down', reachable: false };
    const verified = verifyDocument('lease-command', command);
    if (!verified.ok) throw new CeliumError(verified.code, verified.message);
    const lease = this.leases.get(verified.body.leaseId);
    const decision = decideCommand({ ...verified.body, authority: verified.signer }, lease?.held);
    if (!decision.ok || lease === undefined)
      return {
        kind: 'error',
        code: decision.ok ? 'LEASE_UNKNOWN' : decision.refusal,
        message: 'refused',
        reachable: true,
      };
    this.leases.delete(lease.held.leaseId);
    this.tombstones.add(lease.held.requestId);
    return this.#lossy({ kind: 'done', lease: this.#status(lease, 'stopping') });
  }

  async #refuse(request: Signed<'lease-request'>, code: string, busyWith?: HeldLease): Promise<LeaseAnswer> {
    const shown = busyWith === undefined ? {} : { busyWith: this.leases.get(busyWith.leaseId)!.grant };
    const { requestId, machineId } = request.body;
    const body = { requestId, machineId, code, message: 'another lease holds it', issuedAtMs: this.nowMs(), ...shown };
    return { kind: 'refused', refusal: await signDocument('lease-refusal', body, this.key) };
  }

  #grant(
    held: HeldLease,
    requestHash: string,
    signer: KeyPair,
    asked?: Signed<'lease-request'>['body'],
  ): Promise<Signed<'grant'>> {
    const { leaseId, requestId, authority, fence, kind } = held;
    return signDocument(
      'grant',
      {
        leaseId,
        requestId,
        requestHash,
        authority,
        machineId: this.machine.machineId,
        units: [...held.units],
        fence,
        kind,
        termMs: 900_000,
        hostKey: POD_HOST_KEY,
        ports: [{ pod: 22, host: 40_000 }, ...publishedPorts(asked)],
        bootId: 'boot',
        agentInstanceId: 'run',
        issuedAtMs: this.nowMs(),
      },
      signer,
    );
  }

  #status(lease: LocalLease, state: LeaseStatus['state']): LeaseStatus {
    const { leaseId, requestId, fence } = lease.held;
    return {
      leaseId,
      requestId,
      fence,
      state,
      podInstance: null,
      cumulativeMs: 0,
      goneReason: state === 'gone' ? this.goneReason : null,
      detail: state === 'gone' ? 'the image could not be pulled' : null,
    };
  }

  #lossy<Answer extends LeaseAnswer | CommandAnswer>(answer: Answer): Answer {
    if (this.loseAnswers === 0) return answer;
    this.loseAnswers -= 1;
    return { kind: 'error', code: 'TIMEOUT', message: 'the answer was lost', reachable: false } as unknown as Answer;
  }
}

/** The host ports that were asked for, as a real agent gives them where they are free. */
function publishedPorts(asked?: Signed<'lease-request'>['body']): Array<{ pod: number; host: number }> {
  return (asked?.pod.ports ?? []).map((pod, index) => ({ pod, host: asked?.hostPorts?.[index] ?? 40_001 + index }));
}
