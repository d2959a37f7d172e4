/**
 * Verifies pods for their renters, in the renter's own paid lease and by the renter's wish. The result is a `verification` and never a receipt: a
 * renter may let other work run meanwhile, so nobody's score or pay follows from it.
 */

import { signDocument, verifyDocument, type KeySigner } from '@celium/chain';
import { CeliumError, VERIFICATION_FILE_FORM, type Signed, type Verification } from '@celium/contract';
import type { VerificationFile, VerificationOffer, VerificationView } from '@celium/contract';
import { claimedGpu } from '@celium/domain';
import { judgeChallenge } from '@celium/proof';
import { pause } from '../check/pause.ts';
import { uuidFrom } from '../check/lease.ts';
import {
  paramsOfUnit,
  proveUnits,
  rateOf,
  type Proving,
  type ProvingPorts,
  type UnitPlan,
} from '../check/prove-units.ts';
import { composeReceipt, type UnitOutcome } from '../check/receipt.ts';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { AuditorPort, ClientKey } from '../ports.ts';

/** What the desk needs from outside. */
export interface VerificationPorts extends ProvingPorts {
  hotkey: KeySigner;
  auditor: AuditorPort;
  /** The machine of a machine key, as its provider's newest manifest lists it. */
  machineOf: (machineKey: string) => KnownMachine | null;
}

/** How the renter may describe the offer; repeated in the result as the renter's word. */
type Listed = Verification['listed'];

/** How long a renter has to let the key in, and how long a result is kept. */
const OFFER_MS = 120_000;
const KEPT_MS = 600_000;
/** Verifications that are remembered, and that run, at most. */
const MAX_KNOWN = 64;
const MAX_RUNNING = 2;
/** The key was let in a moment ago, over a path that is not ours: a login that fails is tried again. */
const LOGIN_TRIES = 5;
const LOGIN_PAUSE_MS = 1_000;

/** What `listed` adds is taken from the words, so that the whole fits its 2,048 bytes. */
const MAX_MESSAGE = 160;

interface Entry {
  grant: Signed<'grant'>;
  known: KnownMachine;
  listed: Listed;
  clientKey: ClientKey;
  atMs: number;
  state: VerificationView['state'];
  message: string | null;
  files: VerificationFile[];
}

/** Verifications that renters asked for, kept in memory: a restart forgets them and the renter asks again. */
export class VerificationDesk {
  readonly #ports: VerificationPorts;
  readonly #entries = new Map<string, Entry>();

  constructor(ports: VerificationPorts) {
    this.#ports = ports;
  }

  /**
   * Takes a renter's wish and answers with the key to let into the pod. Nobody who has not got the pod can let it in, so no proof of who asks is needed.
   *
   * @throws CeliumError `NOT_FOUND` for a machine that no manifest lists, the grant's own faults, `CONFLICT` while the machine is verified for
   * someone, `RATE_LIMITED` when too many wait
   */
  open(grant: Signed<'grant'>, listed: Listed): VerificationOffer {
    const { clock, shells, randomBytes } = this.#ports;
    this.#forgetOld();
    const known = this.#ports.machineOf(grant.signer);
    if (known === null) throw new CeliumError('NOT_FOUND', 'No manifest that this validator knows lists the machine.');
    const verified = verifyDocument('grant', grant, { signer: known.machine.machineKey });
    if (!verified.ok) throw new CeliumError(verified.code, `The grant: ${verified.message}.`);
    const { body } = verified;
    if (body.kind !== 'paid') throw new CeliumError('BAD_REQUEST', `The lease is of kind ${body.kind}, not paid.`);
    if (body.units.some((unit) => !known.machine.units.includes(unit)))
      throw new CeliumError('BAD_REQUEST', 'The grant names a unit that the manifest does not list.');
    for (const { grant: other, state } of this.#entries.values())
      if (other.signer === grant.signer && (state === 'waiting' || state === 'running'))
        throw new CeliumError('CONFLICT', 'This machine is being verified for a renter already.');
    if (this.#entries.size >= MAX_KNOWN) throw new CeliumError('RATE_LIMITED', 'Too many verifications wait here.');
    const verificationId = uuidFrom(randomBytes);
    const clientKey = shells.newClientKey();
    const atMs = clock.unixMs();
    this.#entries.set(verificationId, {
      grant,
      known,
      listed,
      clientKey,
      atMs,
      state: 'waiting',
      message: null,
      files: [],
    });
    return { verificationId, sshKey: clientKey.publicLine, expiresAtMs: atMs + OFFER_MS };
  }

  /** Starts it: the key is in the pod. Answers at once; `view` tells the rest. */
  start(verificationId: string): VerificationView {
    const entry = this.#find(verificationId);
    if (entry.state === 'waiting') {
      const running = [...this.#entries.values()].filter(({ state }) => state === 'running').length;
      if (running >= MAX_RUNNING)
        throw new CeliumError('RATE_LIMITED', 'This validator verifies for others just now: try again in a minute.');
      entry.state = 'running';
      void this.#run(entry);
    }
    return this.view(verificationId);
  }

  /** Where it stands. Throws `NOT_FOUND` for one that is unknown or forgotten. */
  view(verificationId: string): VerificationView {
    const { state, message, files } = this.#find(verificationId);
    return { verificationId, state, message, files };
  }

  #find(verificationId: string): Entry {
    this.#forgetOld();
    const entry = this.#entries.get(verificationId);
    if (entry === undefined) throw new CeliumError('NOT_FOUND', 'No such verification is known here (any more).');
    return entry;
  }

  #forgetOld(): void {
    const nowMs = this.#ports.clock.unixMs();
    for (const [id, { state, atMs }] of this.#entries) {
      const keptMs = state === 'waiting' ? OFFER_MS : KEPT_MS;
      if (state !== 'running' && nowMs - atMs > keptMs) this.#entries.delete(id);
    }
  }

  /** Never rejects. */
  async #run(entry: Entry): Promise<void> {
    try {
      entry.files = await this.#verify(entry);
      entry.state = 'done';
    } catch (fault) {
      entry.message = fault instanceof Error ? fault.message : String(fault);
      entry.state = 'failed';
    }
    entry.atMs = this.#ports.clock.unixMs();
  }

  async #verify(entry: Entry): Promise<VerificationFile[]> {
    const { known, grant } = entry;
    const plans: UnitPlan[] = grant.body.units.map((unit) => ({ unit, purpose: 'onboarding' }));
    const proving = await this.#prove(entry, plans);
    return Promise.all(
      plans.map(async (plan) => {
        const answer = proving.answers.get(plan.unit);
        if (answer === undefined) throw new Error(`unit ${plan.unit} was planned and not proven`);
        if (answer.kind === 'no-proof') throw new CeliumError('PROOF_FAILED', answer.message);
        const { result } = answer;
        const audited = result.failure === null ? await this.#ports.auditor.audit(result.transcript) : null;
        const claim = judgeChallenge({
          result,
          audit: audited?.outcome ?? null,
          declaredRateUnitsPerSecond: rateOf(known),
        });
        const claimedModel = claimedGpu(known.machine.gpus, plan.unit).model;
        const verification = await this.#sign(entry, proving, plan, { kind: 'proof', claim, result, claimedModel });
        return { form: VERIFICATION_FILE_FORM, verification, grant, transcript: result.transcript };
      }),
    );
  }

  async #prove({ known, grant, clientKey }: Entry, plans: readonly UnitPlan[]): Promise<Proving> {
    const { clock } = this.#ports;
    for (let tries = 1; ; tries += 1) {
      const run = await proveUnits(this.#ports, known, grant, clientKey, plans, new AbortController().signal);
      const notIn =
        run.kind === 'done' &&
        [...run.answers.values()].every((one) => one.kind === 'no-proof' && one.code === 'SSH_UNREACHABLE');
      if (run.kind === 'done' && !notIn) return run;
      if (tries >= LOGIN_TRIES) {
        if (run.kind === 'done') return run;
        throw new CeliumError('CONFLICT', `${run.message}: this validator was too busy to time it. Try again.`);
      }
      await pause(clock, LOGIN_PAUSE_MS);
    }
  }

  async #sign(
    { known, grant, listed }: Entry,
    proving: Proving,
    { unit, purpose }: UnitPlan,
    outcome: UnitOutcome,
  ): Promise<Signed<'verification'>> {
    const { hotkey, randomBytes } = this.#ports;
    const verificationId = uuidFrom(randomBytes);
    const facts = {
      validator: hotkey.ss58,
      hotkey: known.hotkey,
      machineId: known.machine.machineId,
      machineKey: known.machine.machineKey,
      grant,
      hostKeyHash: proving.hostKeyHash,
      barrierId: proving.barrierId,
      networkBarrier: false,
      blockNumber: proving.block.number,
      blockHash: proving.block.hash,
      tested: 1,
      leased: 0,
      startedAtMs: proving.startedAtMs,
      endedAtMs: proving.endedAtMs,
    };
    const params = paramsOfUnit(this.#ports, known, unit, purpose);
    const receipt = composeReceipt(verificationId, unit, params, facts, outcome);
    const { receiptId: _, validator: __, tested: ___, leased: ____, ...shared } = receipt;
    const reason = { ...shared.reason, message: shared.reason.message.slice(0, MAX_MESSAGE) };
    const body: Verification = { ...shared, reason, verificationId, verifier: hotkey.ss58, listed };
    return await signDocument('verification', body, hotkey);
  }
}
