/** Rentals as a whole, rules only: life, meter, hold, charge and ledger together, under any order of what may happen. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dueMicroUsd, splitCharge, totalChargeMicroUsd } from '../pricing/charge.ts';
import { firstHoldMicroUsd, fundRental, HOLD_AHEAD_MS } from '../pricing/funding.ts';
import { EMPTY_METER, seenByAgent, seenByMarket, type MeterState } from '../rental/meter.ts';
import { decide, reserve, type Rental, type RentalCommand } from '../rental/rental.ts';
import {
  grantPosting,
  holdPosting,
  LEDGER_ACCOUNTS,
  settlementPosting,
  sumOfEntries,
  type LedgerEntry,
} from './accounts.ts';

const CREDIT = 5_000_000n;

/** What happens next; `waitMs` goes by before it. */
type Happening = { waitMs: number; what: RentalCommand | 'heartbeat' | 'probe' | 'settle' | 'quiet minute' };

/** A market with one renter and one rental, made of the rules alone. */
class SmallMarket {
  readonly balances = new Map<string, bigint>();
  readonly price: bigint;
  rental: Rental;
  meter: MeterState = EMPTY_METER;
  charged = 0n;
  nowMs = 1_000_000;
  chargedAtEnd: bigint | null = null;

  constructor(price: bigint) {
    this.price = price;
    this.post(grantPosting('alice', CREDIT));
    this.post(holdPosting('alice', 'r', firstHoldMicroUsd(price)));
    this.rental = reserve(this.nowMs).rental;
  }

  balance(account: string): bigint {
    return this.balances.get(account) ?? 0n;
  }

  post(entries: LedgerEntry[]): void {
    if (sumOfEntries(entries) !== 0n) throw new Error('a posting does not sum to zero');
    for (const { account, amountMicroUsd } of entries)
      this.balances.set(account, this.balance(account) + amountMicroUsd);
  }

  happen({ waitMs, what }: Happening): void {
    this.nowMs += waitMs;
    const received = { bootId: 'market', atMs: this.nowMs };
    const counts = this.rental.state === 'running' || this.rental.state === 'stopping';
    if (what === 'settle') return this.settleMinute();
    if (what === 'quiet minute') {
      for (let beat = 0; beat < 6; beat += 1) this.happen({ waitMs: 10_000, what: 'heartbeat' });
      this.happen({ waitMs: 0, what: 'probe' });
      return this.settleMinute();
    }
    if (what === 'probe') {
      if (this.rental.state === 'running') this.meter = seenByMarket(this.meter, received);
      return this.command({ type: 'probe-ready' });
    }
    if (what === 'heartbeat') {
      const cumulativeMs = Math.max(0, this.nowMs - (this.rental.readyAtMs ?? this.nowMs));
      if (counts) this.meter = seenByAgent(this.meter, { podInstance: 'p', bootId: 'b', cumulativeMs, received });
      return this.command({ type: 'agent-ready' });
    }
    this.command(what);
  }

  command(command: RentalCommand): void {
    const decision = decide(this.rental, command, this.nowMs);
    if (!decision.ok) return;
    this.rental = decision.rental;
    for (const { type } of decision.effects) {
      if (type === 'settle') this.settle();
      if (type === 'release-hold') this.post(holdPosting('alice', 'r', -this.balance(LEDGER_ACCOUNTS.held('r'))));
    }
    if (this.rental.state === 'ended') this.chargedAtEnd ??= this.charged;
  }

  settle(): void {
    const held = this.balance(LEDGER_ACCOUNTS.held('r'));
    const due = dueMicroUsd(BigInt(this.meter.billableMs), this.price, this.charged);
    const taken = due < held ? due : held;
    const [before, after] = [splitCharge(this.charged), splitCharge(this.charged + taken)];
    const provider = after.providerMicroUsd - before.providerMicroUsd;
    this.post(settlementPosting('r', 'coldkey', provider, after.feeMicroUsd - before.feeMicroUsd));
    this.charged += taken;
  }

  settleMinute(): void {
    if (this.rental.state !== 'running') return;
    this.settle();
    const funds = {
      heldMicroUsd: this.balance(LEDGER_ACCOUNTS.held('r')),
      availableMicroUsd: this.balance(LEDGER_ACCOUNTS.available('alice')),
      priceMicroUsdPerHour: this.price,
    };
    const { topUpMicroUsd, exhausted } = fundRental(funds);
    this.post(holdPosting('alice', 'r', topUpMicroUsd));
    if (exhausted) this.command({ type: 'stop', reason: 'balance-exhausted' });
  }
}

const happening: fc.Arbitrary<Happening> = fc.record({
  waitMs: fc.constantFrom(0, 1, 999, 10_000, 30_000, 60_000, 119_000, 130_000),
  what: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('heartbeat' as const, 'probe' as const, 'settle' as const) },
    { weight: 9, arbitrary: fc.constant('quiet minute' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<RentalCommand>(
        { type: 'grant' },
        { type: 'refusal' },
        { type: 'tick' },
        { type: 'pod-gone', reason: 'pod-died' },
        { type: 'stop', reason: 'renter-stopped' },
      ),
    },
  ),
});
const life = fc.tuple(
  fc.bigInt({ min: 0n, max: (CREDIT * 3_600_000n) / HOLD_AHEAD_MS }),
  fc.array(happening, { minLength: 5, maxLength: 60, size: 'max' }),
);
const GRANTED: Happening = { waitMs: 5, what: { type: 'grant' } };

/** Plays a life and looks at the market after each step. */
function play(price: bigint, happenings: readonly Happening[], look: (market: SmallMarket) => void): SmallMarket {
  const market = new SmallMarket(price);
  for (const happened of happenings) {
    market.happen(happened);
    look(market);
  }
  return market;
}

test('the ledger sums to zero and no renter’s balance is negative, after every step', () => {
  fc.assert(
    fc.property(life, ([price, happenings]) => {
      play(price, [GRANTED, ...happenings], ({ balances }) => {
        expect([...balances.values()].reduce((sum, balance) => sum + balance, 0n)).toBe(0n);
        for (const [account, balance] of balances) if (account.startsWith('renter:')) expect(balance >= 0n).toBe(true);
      });
    }),
    { numRuns: 300 },
  );
});

test('what is charged is what the meter shows times the price, to the micro-dollar, unless the hold was used up', () => {
  fc.assert(
    fc.property(life, ([price, happenings]) => {
      const market = play(price, [GRANTED, ...happenings], (now) => {
        expect(now.charged <= totalChargeMicroUsd(BigInt(now.meter.billableMs), price)).toBe(true);
      });
      market.settle();
      const total = totalChargeMicroUsd(BigInt(market.meter.billableMs), price);
      const ended = market.rental.state === 'ended';
      expect(market.charged === total || ended || market.balance(LEDGER_ACCOUNTS.held('r')) === 0n).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('provider and fee together have what the renter lost, and nothing is charged after the end', () => {
  fc.assert(
    fc.property(life, life, ([price, happenings], [, later]) => {
      const stop: Happening[] = [
        { waitMs: 10, what: { type: 'stop', reason: 'renter-stopped' } },
        { waitMs: 61_000, what: { type: 'tick' } },
      ];
      const market = play(price, [GRANTED, ...happenings, ...stop, ...later], () => {});
      expect(market.rental.state).toBe('ended');
      expect(market.charged).toBe(market.chargedAtEnd);
      expect(market.balance(LEDGER_ACCOUNTS.held('r'))).toBe(0n);
      expect(market.balance(LEDGER_ACCOUNTS.available('alice'))).toBe(CREDIT - market.charged);
      const earned =
        market.balance(LEDGER_ACCOUNTS.providerPending('coldkey')) + market.balance(LEDGER_ACCOUNTS.platformFee);
      expect(earned).toBe(market.charged);
    }),
    { numRuns: 300 },
  );
});
