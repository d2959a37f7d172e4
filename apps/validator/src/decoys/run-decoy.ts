/** One decoy: rents like a person, logs in like a person, types a little, and only then starts the prover; then stays a while and leaves. */

import { documentHash, verifyDocument } from '@celium/chain';
import { CeliumError, type Offer, type Rental, type Signed } from '@celium/contract';
import { drawVisit, keystrokePauses, LONGEST_DECOY_MS, type Draw, type HumanVisit } from '@celium/domain';
import { rentBody, type Client } from '@celium/sdk';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { ShellFault } from '../ports.ts';
import type { ConnectMarket, DecoyAccount, DecoyAccounts } from './accounts.ts';
import type { DecoyBook } from './decoy-book.ts';
import { drawsOf } from './draws.ts';
import { proveInDecoy, type DecoyProof, type DecoyProvingPorts } from './prove-in-decoy.ts';
import type { Login, LoginTarget, TerminalShell } from './terminal-login.ts';

/** What a decoy needs from outside. */
export interface DecoyPorts extends DecoyProvingPorts {
  connect: ConnectMarket;
  accounts: DecoyAccounts;
  book: DecoyBook;
  /** Does nothing for as long as a person would; ends early when `signal` aborts. */
  rest: (forMs: number, signal: AbortSignal) => Promise<void>;
  /** Logins to one pod with the OpenSSH client. */
  loginsTo: (target: LoginTarget, signal: AbortSignal) => Login;
}

/** What is rented, where, and as whom. */
export interface DecoyTarget {
  known: KnownMachine;
  offer: Offer;
  market: { url: string; key: string };
  account: DecoyAccount;
}

/** As long as a start may take by the market's rules, and a little more. */
const RUNNING_TIMEOUT_MS = 35 * 60_000;
/** How long one question may be held back by the market. */
const HELD_BACK_MS = 10_000;
/** Logins, proof and repetitions take no longer. */
const PROOF_LIMIT_MS = 30 * 60_000;

/** A visit, and the most that it can cost: what an account needs and what the day's budget has to allow. */
export function planVisit(draw: Draw, offer: Offer): { visit: HumanVisit; mostCostMicroUsd: bigint } {
  const visit = drawVisit(draw, offer.units.length);
  const typing = visit.commands.reduce((sum, { pauseMs }) => sum + pauseMs + 60_000, 0);
  const mostMs = visit.beforeLoginMs + typing + visit.beforeProofMs + PROOF_LIMIT_MS + visit.stayMs;
  const perHour = BigInt(offer.priceMicroUsdPerUnitHour) * BigInt(visit.unitCount ?? offer.units.length);
  const cost = (perHour * BigInt(Math.ceil(Math.min(mostMs, LONGEST_DECOY_MS)))) / 3_600_000n;
  return { visit, mostCostMicroUsd: cost + 1n };
}

/** Runs one decoy up to its check; the rental goes on. Rejects for faults of our own and of the market. */
export async function runDecoy(
  ports: DecoyPorts,
  decoyId: string,
  target: DecoyTarget,
  plan: ReturnType<typeof planVisit>,
  signal: AbortSignal,
): Promise<DecoyProof> {
  const { book, clock } = ports;
  const { offer, account, market } = target;
  const { visit } = plan;
  await ports.rest(visit.beforeRentMs, signal);
  signal.throwIfAborted();
  const client = ports.connect(market.url, account.apiKey);
  const body = rentBody(offer, { unitCount: visit.unitCount ?? undefined, ports: visit.ports });
  const { machineKey, hotkey } = offer;
  const decoy = { decoyId, accountId: account.id, marketUrl: market.url, machineKey, hotkey, body };
  await book.noteRenting(decoy, plan.mostCostMicroUsd, clock.unixMs());
  const rented = await client.call('createRental', { body, idempotencyKey: decoyId });
  const rental = await untilRunning(ports, client, rented, signal);
  const grant = rental.grant;
  if (grant !== null) {
    // Before anything is judged: whatever it was worth, it was bought by us.
    const { rentalId, units } = rental;
    const identity = { market: market.key, hotkey, machineKey, units };
    const facts = { decoyId, rentalId, grantHash: documentHash(grant), startedAtMs: clock.unixMs(), ...identity };
    await book.noteRented(facts, grant, clock.unixMs());
  }
  const proof = await checkRental(ports, target, rental, visit, signal);
  await book.noteChecked(decoyId, proof.outcome, proof.receipts, clock.unixMs());
  return proof;
}

async function untilRunning(ports: DecoyPorts, client: Client, rented: Rental, signal: AbortSignal): Promise<Rental> {
  const untilMs = ports.clock.nowMs() + RUNNING_TIMEOUT_MS;
  let rental = rented;
  while (['reserved', 'starting'].includes(rental.state) && ports.clock.nowMs() < untilMs && !signal.aborted) {
    const params = { rentalId: rental.rentalId };
    rental = await client.call('getRental', { params, query: { waitFor: 'running', waitMs: HELD_BACK_MS }, signal });
  }
  return rental;
}

async function checkRental(
  ports: DecoyPorts,
  { known, market, account }: DecoyTarget,
  rental: Rental,
  visit: HumanVisit,
  signal: AbortSignal,
): Promise<DecoyProof> {
  if (rental.state !== 'running')
    return noProof(rental.endReason ?? 'NOT_STARTED', `the pod did not run: ${rental.detail ?? rental.state}`);
  const grant = rental.grant;
  const fault = faultOfPaidGrant(grant, known, market.key, rental);
  if (grant === null || fault !== null) return noProof('BAD_GRANT', `the grant is not good: ${fault ?? 'none'}`);
  const target: LoginTarget = {
    host: known.machine.publicHost,
    port: grant.body.ports.find((mapping) => mapping.pod === 22)?.host ?? 0,
    hostKey: grant.body.hostKey,
    leaseId: grant.body.leaseId,
    keyFile: account.keyFile,
  };
  await ports.rest(visit.beforeLoginMs, signal);
  // From the first login on every host may know this account's key: it is used up, whatever comes.
  ports.accounts.spend(account);
  const login = ports.loginsTo(target, signal);
  const first = await login(visit.terminal, visit.language);
  if ('onData' in first) await typeCommands(ports, first, visit, signal);
  const next = (): Promise<TerminalShell | ShellFault> => login(visit.terminal, visit.language);
  return await proveInDecoy(ports, { known, grant, first, next }, signal);
}

/** What a person types before anything of ours is: ordinary commands, key by key. */
async function typeCommands(
  ports: DecoyPorts,
  shell: TerminalShell,
  visit: HumanVisit,
  signal: AbortSignal,
): Promise<void> {
  const draw = drawsOf(ports.randomBytes);
  for (const { pauseMs, command } of visit.commands) {
    await ports.rest(pauseMs, signal);
    const line = `${command}\r`;
    for (const [index, waitMs] of keystrokePauses(line, draw).entries()) {
      await ports.rest(waitMs, signal);
      shell.write(line[index] ?? '');
    }
  }
  await ports.rest(visit.beforeProofMs, signal);
}

/** Why a paid grant is not what a renter was promised, or null. */
function faultOfPaidGrant(
  grant: Signed<'grant'> | null,
  { machine }: KnownMachine,
  marketKey: string,
  rental: Rental,
): string | null {
  const verified = verifyDocument('grant', grant, { signer: machine.machineKey });
  if (!verified.ok) return verified.message;
  const { kind, machineId, authority, units, ports } = verified.body;
  if (kind !== 'paid') return `kind ${kind}`;
  if (machineId !== machine.machineId) return 'another machine';
  if (authority !== marketKey) return 'another authority';
  if (units.some((unit) => !rental.units.includes(unit)) || units.length !== rental.units.length) return 'other units';
  return ports.some((mapping) => mapping.pod === 22) ? null : 'no port for SSH';
}

function noProof(outcome: string, message: string): DecoyProof {
  return { outcome, message: message.replace(/[^\x20-\x7e]/g, '?').slice(0, 300), receipts: [] };
}

/**
 * Ends a decoy's rental and notes what it cost; used after its stay, and for whatever a crash left open. False while the market does not say
 * that it has ended: it is tried again.
 */
export async function endDecoy(
  ports: Pick<DecoyPorts, 'connect' | 'accounts' | 'book' | 'clock'>,
  decoyId: string,
): Promise<boolean> {
  const { book, clock } = ports;
  const open = book.open().find((one) => one.decoyId === decoyId);
  if (open === undefined) return true;
  const account = ports.accounts.find(open.accountId);
  if (account === null) {
    await book.noteEnded(decoyId, 0n, clock.unixMs());
    return true;
  }
  const client = ports.connect(open.marketUrl, account.apiKey);
  let rentalId = open.facts?.rentalId;
  if (rentalId === undefined) {
    // Whether it was rented is not known: the same rent brings the same rental, or the refusal that it had.
    const rented = await client
      .call('createRental', { body: open.body, idempotencyKey: decoyId })
      .catch((fault: unknown) => fault);
    if (rented instanceof CeliumError && isRefusal(rented)) {
      await book.noteEnded(decoyId, 0n, clock.unixMs());
      return true;
    }
    if (rented instanceof Error) throw rented;
    rentalId = (rented as Rental).rentalId;
  }
  const params = { rentalId };
  await client.call('stopRental', { params }).catch((fault: unknown) => {
    if (!(fault instanceof CeliumError) || fault.code !== 'RENTAL_ENDED') throw fault;
  });
  const ended = await client.call('getRental', { params, query: { waitFor: 'ended', waitMs: HELD_BACK_MS } });
  if (ended.state !== 'ended') return false;
  if (open.facts === null && ended.grant !== null) {
    const { machineKey, hotkey } = open;
    const identity = { market: ended.grant.body.authority, hotkey, machineKey, units: ended.units };
    const facts = {
      decoyId,
      rentalId,
      grantHash: documentHash(ended.grant),
      startedAtMs: ended.createdAtMs,
      ...identity,
    };
    await book.noteRented(facts, ended.grant, clock.unixMs());
  }
  const { chargedMicroUsd } = await client.call('getBill', { params });
  await book.noteEnded(decoyId, BigInt(chargedMicroUsd), clock.unixMs());
  return true;
}

/** The market did not rent, and would not for the same request: nothing of it exists. */
function isRefusal(fault: CeliumError): boolean {
  const passing = ['TIMEOUT', 'MARKET_UNAVAILABLE', 'DATABASE_UNAVAILABLE', 'INTERNAL', 'RATE_LIMITED'];
  return !passing.includes(fault.code);
}
