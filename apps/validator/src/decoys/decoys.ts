/** The loop of decoys: when one begins and where, which go on, what is stopped after its stay, what is committed to and disclosed. */

import type { DatabaseSync } from 'node:sqlite';
import { DECOY_ENTRIES, type Signed } from '@celium/contract';
import { activityOfHour, chooseDecoyTarget, fitsDecoyBudget, isDecoyDue } from '@celium/domain';
import { marketsOf } from '../check/check-machine.ts';
import { uuidFrom } from '../check/lease.ts';
import type { ManifestDirectory } from '../discovery/manifest-directory.ts';
import type { Report } from '../ports.ts';
import type { MarketAddress, ReceiptBook } from '../state/receipt-book.ts';
import { drawsOf } from './draws.ts';
import { readEarnings } from './earnings.ts';
import { endDecoy, planVisit, runDecoy, type DecoyPorts, type DecoyTarget } from './run-decoy.ts';

/** What an operator sets. */
export interface DecoySettings {
  /** Mean number of decoys for each machine and day, by this validator. */
  ratePerMachineDay: number;
  /** The most that decoys of a day may cost, in micro-dollars. */
  budgetMicroUsdPerDay: bigint;
  /** Domain of the addresses under which accounts are made. */
  mailDomain: string;
}

/** What the loop needs from outside. */
export interface DecoysPorts extends DecoyPorts {
  settings: DecoySettings;
  /** Markets at which decoys are bought. */
  marketUrls: readonly string[];
  directory: ManifestDirectory;
  receipts: ReceiptBook;
  markets: readonly MarketAddress[];
  database: DatabaseSync;
  /** The length of an epoch now, in milliseconds. */
  epochMs: () => number;
  report: Report;
}

/** Decoys at the same time: some stay for hours. */
const MOST_AT_ONCE = 8;
/** However long the loop was away, no more than this counts as time in which decoys might have begun. */
const LONGEST_TURN_MS = 10 * 60_000;
/** Accounts kept ready beyond those of a day, and the most there are. */
const SPARE_ACCOUNTS = 2;
const MOST_ACCOUNTS = 64;
/** The mean time between two new accounts at one market. */
const SIGN_UP_EVERY_MS = 30 * 60_000;
const HOUR_MS = 3_600_000;

/** Decoys of one validator. */
export class Decoys {
  readonly #ports: DecoysPorts;
  /** By account. */
  readonly #running = new Map<string, Promise<void>>();
  /** Decoys whose end is somebody's business already. */
  readonly #underWay = new Set<string>();
  #lastTurnMs: number | null = null;

  constructor(ports: DecoysPorts) {
    this.#ports = ports;
  }

  /** One turn of the loop. What fails at one market does not keep the others waiting; the first fault is thrown at the end. */
  async turn(signal: AbortSignal): Promise<void> {
    const { clock, marketUrls } = this.#ports;
    const nowMs = clock.nowMs();
    const elapsedMs = Math.min(nowMs - (this.#lastTurnMs ?? nowMs), LONGEST_TURN_MS);
    this.#lastTurnMs = nowMs;
    this.publish();
    const faults: unknown[] = [];
    const note = (fault: unknown): void => void faults.push(fault);
    await this.#endLeftOpen().catch(note);
    for (const url of marketUrls) {
      if (!signal.aborted) await this.#visitMarket(url, elapsedMs, signal).catch(note);
    }
    if (faults.length > 0) throw faults[0];
  }

  /** Puts into the log what is due: a commitment for every hour, and what is disclosed. */
  publish(): void {
    const { book, receipts, clock, epochMs } = this.#ports;
    const nowMs = clock.unixMs();
    for (const commitment of book.commitmentsDue(nowMs)) {
      receipts.appendLog(DECOY_ENTRIES.commitment, commitment, nowMs);
      book.notePublished(commitment.period);
    }
    for (const disclosure of book.disclosuresDue(nowMs, epochMs())) {
      for (const { facts, receipts: own } of disclosure.decoys)
        for (const receipt of own) this.#publishReceipt(facts.decoyId, receipt);
      receipts.appendLog(DECOY_ENTRIES.disclosure, disclosure, nowMs);
      book.noteDisclosed(disclosure.period);
    }
  }

  /** Waits until all decoys have been told to end. */
  async settle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** Rentals that a crash, or a market that did not answer, left open. */
  async #endLeftOpen(): Promise<void> {
    const { book } = this.#ports;
    for (const { decoyId } of book.open()) if (!this.#underWay.has(decoyId)) await endDecoy(this.#ports, decoyId);
  }

  async #visitMarket(url: string, elapsedMs: number, signal: AbortSignal): Promise<void> {
    const { connect, book, directory, settings, clock, randomBytes } = this.#ports;
    const client = connect(url);
    const [market, { offers }] = await Promise.all([client.call('getMarket'), client.call('listOffers')]);
    await readEarnings(this.#ports, client);
    const known = new Map(directory.machines().map((one) => [one.machine.machineKey, one]));
    const candidates = offers.flatMap((offer) => {
      const machine = known.get(offer.machineKey);
      return machine === undefined
        ? []
        : [{ offer, known: machine, machineKey: offer.machineKey, ...book.historyOf(offer.machineKey) }];
    });
    const draw = drawsOf(randomBytes);
    await this.#keepAccounts(url, candidates.length, elapsedMs);
    const hour = (clock.unixMs() / HOUR_MS) % 24;
    const rate = settings.ratePerMachineDay * activityOfHour(hour);
    if (this.#running.size >= MOST_AT_ONCE || !isDecoyDue(candidates.length, rate, elapsedMs, draw())) return;
    const chosen = chooseDecoyTarget(candidates, clock.unixMs(), draw());
    if (chosen !== null) await this.#start({ ...chosen, market: { url, key: market.publicKey } }, signal);
  }

  /** Begins a decoy when some account has the money and the day's budget the room. */
  async #start(target: Omit<DecoyTarget, 'account'>, signal: AbortSignal): Promise<void> {
    const { accounts, book, clock, connect, settings, report } = this.#ports;
    const plan = planVisit(drawsOf(this.#ports.randomBytes), target.offer);
    const spent = book.spentMicroUsd(clock.unixMs());
    if (!fitsDecoyBudget(spent, plan.mostCostMicroUsd, settings.budgetMicroUsdPerDay)) {
      report({ event: 'step', name: 'decoy', status: 'failed', detail: 'the budget of the day is used up' });
      return;
    }
    for (const account of accounts.usable(target.market.url)) {
      if (this.#running.has(account.id)) continue;
      const balance = await connect(target.market.url, account.apiKey).call('getBalance');
      if (BigInt(balance.availableMicroUsd) < plan.mostCostMicroUsd) continue;
      const visit = this.#run({ ...target, account }, plan, signal).finally(() => this.#running.delete(account.id));
      this.#running.set(account.id, visit);
      return;
    }
    const detail = 'no account has the credit: decoys/accounts.json in the state folder has their addresses';
    report({ event: 'step', name: 'decoy', status: 'failed', detail });
  }

  /** Never rejects: a decoy that fails on our side is ended like any other. */
  async #run(target: DecoyTarget, plan: ReturnType<typeof planVisit>, signal: AbortSignal): Promise<void> {
    const { report, randomBytes, rest } = this.#ports;
    const line = { event: 'decoy', machineId: target.known.machine.machineId, machineKey: target.offer.machineKey };
    const decoyId = uuidFrom(randomBytes);
    this.#underWay.add(decoyId);
    try {
      const { outcome, message, receipts } = await runDecoy(this.#ports, decoyId, target, plan, signal);
      // Whoever gives renters something else is not sold for another day: a failure does not wait for its disclosure.
      for (const receipt of receipts) if (receipt.body.verdict === 'fail') this.#publishReceipt(decoyId, receipt);
      const verdicts = receipts.map(({ body }) => ({ unit: body.unit, verdict: body.verdict, reason: body.reason }));
      report({ ...line, outcome, message, verdicts });
      if (outcome === 'CHECKED') await rest(plan.visit.stayMs, signal);
    } catch (fault) {
      report({ ...line, outcome: 'FAULT', message: fault instanceof Error ? fault.message : String(fault) });
    }
    // What does not end now ends in a later turn.
    await endDecoy(this.#ports, decoyId).catch(() => false);
    this.#underWay.delete(decoyId);
  }

  #publishReceipt(decoyId: string, receipt: Signed<'receipt'>): void {
    const { receipts, book, directory, markets, clock } = this.#ports;
    const grant = book.grantOf(decoyId);
    if (grant === null || receipts.find(receipt.body.receiptId) !== null) return;
    const known = directory.machines().find((one) => one.machine.machineKey === receipt.body.machineKey);
    receipts.add(receipt, grant, known === undefined ? markets : marketsOf(known, markets), clock.unixMs());
  }

  /** Makes accounts one by one, at times that are drawn, so that there is always a choice that nobody has seen. */
  async #keepAccounts(url: string, machines: number, elapsedMs: number): Promise<void> {
    const { accounts, connect, settings, clock, randomBytes } = this.#ports;
    const perDay = Math.ceil(machines * settings.ratePerMachineDay);
    const wanted = machines === 0 ? 0 : Math.min(perDay + SPARE_ACCOUNTS, MOST_ACCOUNTS);
    const ready = accounts.usable(url).length;
    const isTime = drawsOf(randomBytes)() < 1 - Math.exp(-elapsedMs / SIGN_UP_EVERY_MS);
    if (ready >= wanted || (ready > 0 && !isTime)) return;
    await accounts.make(connect, url, settings.mailDomain, clock.unixMs());
  }
}
