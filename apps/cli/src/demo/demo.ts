/** The demo from end to end: set-up, four programs, a verified machine, a stranger who rents it, and the bill beside the truth. */

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CeliumError, type Offer, type ProgressEvent } from '@celium/contract';
import { createClient } from '@celium/sdk';
import { describeBill, describeLedger } from '../commands/money.ts';
import { passOn } from '../commands/serve.ts';
import { formatDuration, formatUsd } from '../output/format.ts';
import type { ProgressView } from '../output/progress-view.ts';
import { prepareEngine, prepareMachine, type PreparedMachine } from '../provider/join.ts';
import { ensureHotkey } from '../wallet/hotkey.ts';
import { enrolProvider, enrolValidator } from './chain-start.ts';
import { listContainers } from '../engine/containers.ts';
import { removeTraces } from '../engine/traces.ts';
import { watchDeaths, type DeathWatch } from './death-watch.ts';
import { LOGS_FOLDER } from './forget.ts';
import { findFreePort, findFreeRange } from './free-ports.ts';
import { endLeftoverPrograms, runningDemo } from './leftovers.ts';
import { brokenPromises, type DemoReport, type DemoStep } from './report.ts';
import { measureSshFloor } from './ssh-floor.ts';
import { runQuietSsh } from './quiet-ssh.ts';
import { Stage } from './stage.ts';
import { addKey, awaitOffer, rentAndLogIn, signUp, stopAll, stopAndBill, type Stranger } from './stranger.ts';

/** Time between blocks and epochs of the demo's chain: a permit within seconds. */
const BLOCK_MS = 250;
const EPOCH_BLOCKS = 12;
const WEIGHTS_RATE_BLOCKS = 20;
/** A failed check is repeated at once, and a proof that is only late this often in all. */
const RETRY_MS = 500;
const LATE_TRIES = 5;
const POD_PORTS = 20;
const VERIFY_TIMEOUT_MS = 300_000;
const CREDIT_MICRO_USD = 10_000_000n;
const PRICE_MICRO_USD_PER_HOUR = 360_000n;
/** How long the stranger keeps the pod: several heartbeats' worth of metering. */
const POD_USE_MS = 12_000;
const DEATH_TIMEOUT_MS = 30_000;
const LOOPBACK = '127.0.0.1';

/** What the stranger runs in the pod. */
const POD_COMMAND = 'echo "hello from $(hostname): $(nproc) cores, $(. /etc/os-release; echo "$PRETTY_NAME")"';

export interface DemoOptions {
  state: string;
  docker?: string | undefined;
  engineState?: string | undefined;
  tools?: string | undefined;
  link?: string | undefined;
  nowMs: () => number;
}

/** Facts of a demo that is up. */
export interface RunningDemo {
  marketUrl: string;
  validatorUrl: string;
  chainUrl: string;
  stranger: Stranger;
  machine: PreparedMachine;
  /** The bill and every ledger entry of the rental, in words. */
  billText: string;
  report: DemoReport;
}

/** One demo: `run` sets up and walks; `close` takes everything down whatever happened. */
export class Demo {
  readonly #options: DemoOptions;
  readonly #view: ProgressView;
  readonly #steps: DemoStep[] = [];
  readonly #stage: Stage;
  #machine: PreparedMachine | null = null;
  #stranger: Stranger | null = null;
  #deaths: DeathWatch | null = null;
  #operatorKeyFile = '';
  /** Verdicts on the machine, oldest first. */
  readonly #checks: CheckFacts[] = [];
  #isUp = false;
  #failedStep: string | null = null;
  /** Steps that have begun and not ended. */
  readonly #openSteps = new Set<string>();

  constructor(options: DemoOptions, view: ProgressView) {
    const pid = runningDemo(options.state);
    if (pid !== null) throw new CeliumError('STATE_LOCKED', `Another demo (process ${pid}) uses ${options.state}.`);
    mkdirSync(options.state, { recursive: true, mode: 0o755 });
    this.#options = options;
    this.#view = view;
    this.#stage = new Stage(options.state);
  }

  /** Steps that are done, in order. */
  get steps(): readonly DemoStep[] {
    return this.#steps;
  }

  /** The step that failed first, or the one that was going on. */
  get failedStep(): string | null {
    return this.#failedStep ?? [...this.#openSteps].at(-1) ?? null;
  }

  /** Called when one of the programs ends by itself. */
  onDeath(tell: (fault: CeliumError) => void): void {
    this.#stage.onDeath = (program) => {
      const log = join(this.#options.state, LOGS_FOLDER, `${program.name}.log`);
      tell(
        program.fault() ??
          new CeliumError('INTERNAL', `The ${program.name} ended by itself; its last words are in ${log}.`),
      );
    };
  }

  /** Everything up to the bill. Throws the error of the step that failed. */
  async run(): Promise<RunningDemo> {
    const { state } = this.#options;
    await endLeftoverPrograms(state);
    const [socket, chainUrl] = await Promise.all([this.#prepareEngine(), this.#startDevchain()]);
    const marketPort = await findFreePort();
    const [marketUrl, validatorKey] = await Promise.all([
      this.#startMarket(chainUrl, marketPort),
      this.#enrolValidator(chainUrl),
    ]);
    const machine = await this.#joinMachine(chainUrl, marketUrl, socket);
    const validatorUrl = await this.#startValidator(chainUrl, marketUrl, validatorKey);
    const offer = await this.#awaitVerified(marketUrl, machine);
    const walked = await this.#walk(marketUrl, machine, offer);
    this.#isUp = true;
    return { marketUrl, validatorUrl, chainUrl, machine, ...walked };
  }

  /** Stops pods and programs, and removes what they left in the engine. Answers how many containers had to be removed. */
  async close(): Promise<number> {
    this.#deaths?.close();
    if (this.#stranger !== null) await stopAll(this.#stranger.client).catch(() => {});
    await this.#stage.end();
    if (this.#machine === null) return 0;
    const { socket, facts } = this.#machine;
    const left = await listContainers(socket, facts.machineKey).catch(() => []);
    await removeTraces(socket, facts.machineKey).catch(() => {});
    return left.length;
  }

  async #prepareEngine(): Promise<string> {
    return await this.#step(
      'engine and base image',
      () => prepareEngine(this.#options, this.#view),
      (socket) => socket,
    );
  }

  async #startDevchain(): Promise<string> {
    return await this.#step(
      'start devchain',
      async () => {
        const args = passOn({
          state: join(this.#options.state, 'devchain'),
          port: 0,
          'block-ms': BLOCK_MS,
          tempo: EPOCH_BLOCKS,
          'weights-rate': WEIGHTS_RATE_BLOCKS,
          json: true,
        });
        const { ready } = await this.#stage.start('devchain', args);
        return String(ready['url']);
      },
      (url) => url,
    );
  }

  async #enrolValidator(chainUrl: string): Promise<string> {
    return await this.#step(
      'validator gets its permit',
      async () => {
        const hotkey = await ensureHotkey({ fallbackFolder: join(this.#options.state, 'validator', 'wallets') });
        await enrolValidator(chainUrl, hotkey);
        return hotkey.path;
      },
      () => 'registered, staked, permitted at an epoch',
    );
  }

  async #startMarket(chainUrl: string, port: number): Promise<string> {
    return await this.#step(
      'start market',
      async () => {
        const args = passOn({
          state: join(this.#options.state, 'market'),
          port,
          host: LOOPBACK,
          chain: chainUrl,
          'allow-private': true,
          json: true,
        });
        const { ready } = await this.#stage.start('market', args, (event) => this.#showStep(event));
        this.#operatorKeyFile = String(ready['operatorKeyFile']);
        return String(ready['url']);
      },
      (url) => url,
    );
  }

  async #joinMachine(chainUrl: string, marketUrl: string, socket: string): Promise<PreparedMachine> {
    return await this.#step(
      'provider joins',
      async () => {
        const [agentPort, portRange] = await Promise.all([findFreePort(), findFreeRange(POD_PORTS)]);
        const machine = await prepareMachine(
          {
            state: join(this.#options.state, 'agent'),
            marketUrls: [marketUrl],
            chainUrl,
            agent: { host: LOOPBACK, port: agentPort },
            publicHost: LOOPBACK,
            portRange,
            priceMicroUsdPerUnitHour: PRICE_MICRO_USD_PER_HOUR,
            wallet: {},
            tools: this.#options.tools,
            allowPrivate: true,
            // Without root the agent cannot filter, and whoever tries a demo rents from themselves.
            openEgress: process.getuid?.() !== 0,
            nowMs: this.#options.nowMs,
          },
          socket,
          this.#view,
        );
        this.#machine = machine;
        this.#stage.rememberMachine(machine.facts.machineKey, socket);
        this.#deaths = await watchDeaths(socket, machine.facts.machineKey);
        await Promise.all([
          enrolProvider(chainUrl, machine.hotkey),
          this.#stage.start('agent', machine.agentArgs, (event) => this.#showStep(event)),
        ]);
        return machine;
      },
      (machine) => `${machine.facts.machineId} at ${formatUsd(PRICE_MICRO_USD_PER_HOUR)} an hour`,
    );
  }

  async #startValidator(chainUrl: string, marketUrl: string, hotkeyFile: string): Promise<string> {
    return await this.#step(
      'start validator',
      async () => {
        const args = passOn({
          state: join(this.#options.state, 'validator'),
          'hotkey-file': hotkeyFile,
          chain: chainUrl,
          market: marketUrl,
          port: await findFreePort(),
          'allow-private': true,
          'retry-ms': RETRY_MS,
          link: this.#options.link,
          json: true,
        });
        const { ready } = await this.#stage.start('validator', args, (event) => this.#takeValidatorEvent(event));
        return String(ready['url']);
      },
      (url) => url,
    );
  }

  async #awaitVerified(marketUrl: string, machine: PreparedMachine): Promise<Offer> {
    return await this.#step(
      'machine is verified',
      async () => {
        const client = createClient({ baseUrl: marketUrl });
        return await awaitOffer(client, machine.facts.machineKey, VERIFY_TIMEOUT_MS, () => refusalOf(this.#checks));
      },
      (offer) => `${offer.class ?? 'unknown'}, proof of ${formatDuration(this.#passedCheck()?.proofMs ?? 0)}`,
    );
  }

  async #walk(
    marketUrl: string,
    machine: PreparedMachine,
    offer: Offer,
  ): Promise<Pick<RunningDemo, 'stranger' | 'report' | 'billText'>> {
    const { state } = this.#options;
    const stranger = await this.#step(
      'sign up',
      () => signUp(marketUrl, join(state, 'renter', 'config')),
      (one) => one.email,
    );
    this.#stranger = stranger;
    const operator = createClient({ baseUrl: marketUrl, apiKey: readFileSync(this.#operatorKeyFile, 'utf8').trim() });
    await this.#step(
      'get credit',
      () =>
        operator.call('grantCredit', {
          body: { email: stranger.email, amountMicroUsd: String(CREDIT_MICRO_USD), note: 'demo' },
        }),
      (credit) => formatUsd(credit.availableMicroUsd),
    );
    await this.#step(
      'add an SSH key',
      () => addKey(stranger),
      (key) => key.fingerprint,
    );
    const cheapest = await this.#step(
      'list offers',
      async () =>
        (await stranger.client.call('listOffers')).offers.find((one) => one.machineKey === machine.facts.machineKey) ??
        offer,
      (one) => `${one.class ?? '-'} at ${formatUsd(one.priceMicroUsdPerUnitHour)} an hour`,
    );
    const pod = await this.#step(
      'rent and log in',
      () => rentAndLogIn(stranger, cheapest),
      (one) => `ready after ${formatDuration(one.rentToReadyMs)}, ssh after ${formatDuration(one.rentToSshMs)}`,
    );
    const commandOutput = await this.#step(
      'run a command',
      async () => (await runQuietSsh(pod.target, pod.ssh, [POD_COMMAND])).trim(),
      (text) => text,
    );
    const floorSshMs = await this.#step(
      'measure the floor',
      () => this.#measureFloor(machine, pod),
      (ms) => `bare engine: ${formatDuration(ms)}`,
    );
    await this.#step('use the pod', () => sleep(Math.max(0, pod.firstKeyExchangeAtMs + POD_USE_MS - Date.now())));
    const bill = await this.#step(
      'stop',
      () => stopAndBill(stranger.client, pod.rental.rentalId),
      (one) => `billed ${one.billableSeconds} s`,
    );
    const diedAtMs = await (this.#deaths as DeathWatch).deathOf(pod.leaseId, DEATH_TIMEOUT_MS);
    const { lines } = await this.#step(
      'read bill and ledger',
      () => stranger.client.call('listLedger', { query: { rentalId: pod.rental.rentalId, limit: 1_000 } }),
      (one) => `${one.lines.length} entries`,
    );
    const audit = await this.#step(
      'audit the ledger',
      () => operator.call('auditLedger'),
      (one) => `sum ${one.ledgerSumMicroUsd}`,
    );
    const left = await listContainers(machine.socket, machine.facts.machineKey);
    const measured = {
      verifiedClass: cheapest.class ?? '',
      proofSeconds: (this.#passedCheck()?.proofMs ?? 0) / 1000,
      auditCpuSeconds: this.#passedCheck()?.auditCpuSeconds ?? 0,
      rentToReadyMs: Math.round(pod.rentToReadyMs),
      rentToSshMs: Math.round(pod.rentToSshMs),
      floorSshMs: Math.round(floorSshMs),
      commandOutput,
      billedSeconds: bill.billableSeconds,
      groundTruthSeconds: (diedAtMs - pod.firstKeyExchangeAtMs) / 1000,
      chargedMicroUsd: Number(bill.chargedMicroUsd),
      providerMicroUsd: Number(bill.providerMicroUsd),
      feeMicroUsd: Number(bill.feeMicroUsd),
      ledgerSum: Number(audit.ledgerSumMicroUsd),
      containersLeft: left.length,
      steps: this.#steps,
    };
    const broken = brokenPromises(measured);
    const billText = `${describeBill(bill)}\n${describeLedger(lines)}`;
    return { stranger, billText, report: { ok: broken.length === 0, broken, ...measured } };
  }

  async #measureFloor(machine: PreparedMachine, pod: Awaited<ReturnType<typeof rentAndLogIn>>): Promise<number> {
    const containers = await listContainers(machine.socket, machine.facts.machineKey);
    const container = containers.find((one) => one.leaseId === pod.leaseId);
    if (container === undefined)
      throw new CeliumError('INTERNAL', 'The engine has no container of the lease that we log in to.');
    return await measureSshFloor(machine.socket, container.id, pod.target, pod.ssh);
  }

  #takeValidatorEvent(event: ProgressEvent): void {
    this.#showStep(event);
    if (event.event !== 'check') return;
    this.#checks.push(readCheck(event));
    if (!this.#isUp) this.#view.take(event);
  }

  /** The newest check that the machine passed: what it was verified by. */
  #passedCheck(): CheckFacts | undefined {
    return this.#checks.findLast((check) => check.verdict === 'pass');
  }

  /** Steps of the programs themselves are shown until the demo is up, and afterwards only what fails. */
  #showStep(event: ProgressEvent): void {
    if (event.event === 'step' && (!this.#isUp || event.status === 'failed')) this.#view.take(event);
  }

  async #step<T>(name: string, work: () => Promise<T>, detailOf: (value: T) => string = () => ''): Promise<T> {
    const startedMs = performance.now();
    this.#openSteps.add(name);
    const value = await this.#view.step(name, work, detailOf).catch((fault: unknown) => {
      this.#failedStep ??= name;
      throw fault;
    });
    this.#openSteps.delete(name);
    this.#steps.push({ name, ms: Math.round(performance.now() - startedMs), detail: detailOf(value) });
    return value;
  }
}

interface CheckFacts {
  verdict: string;
  reason: { code: string; message: string };
  proofMs: number;
  auditCpuSeconds: number;
}

function readCheck(event: Record<string, unknown>): CheckFacts {
  const reason = (event['reason'] ?? {}) as { code?: unknown; message?: unknown };
  return {
    verdict: String(event['verdict'] ?? ''),
    reason: { code: String(reason.code ?? ''), message: String(reason.message ?? '') },
    proofMs: Number(event['proofMs'] ?? 0),
    auditCpuSeconds: Number(event['auditCpuSeconds'] ?? 0),
  };
}

/**
 * A failed verdict ends the waiting; a visit that found the machine busy or away does not. A late proof on a machine that has other things to do is
 * given its repetitions, as any validator gives them.
 */
function refusalOf(checks: readonly CheckFacts[]): CeliumError | null {
  const failed = checks.filter((check) => check.verdict === 'fail');
  const last = failed.at(-1);
  if (last === undefined || (last.reason.code === 'late' && failed.length < LATE_TRIES)) return null;
  return new CeliumError(
    'PROOF_FAILED',
    `The validator refused the machine: ${last.reason.code}: ${last.reason.message}.`,
  );
}
