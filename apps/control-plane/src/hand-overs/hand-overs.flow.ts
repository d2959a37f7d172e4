/** One check before a hand-over: validators are asked, their receipts are taken in like all others, and what is stored decides. */
import { CeliumError, type HandOverAsk } from '@celium/contract';
import { isBeingChecked, isOfHandOver, judgeHandOver, printable, type HandOverVerdict } from '@celium/domain';
import type { MarketPorts, ValidatorAddress } from '../ports.ts';
import { acceptReceipt, type ReceiptParts } from '../receipts/receipts.flow.ts';
import type { RentalParts, RentalRow } from '../rentals/parts.ts';
import { readRental, takeStep } from '../rentals/rentals.flow.ts';
import { aborted, askForCheck, askInTurn } from './ask-validators.ts';
import { receiptsSince, validatorsOf } from './hand-overs.store.ts';
import { endFailed } from './move-on.flow.ts';

/** A check may take so long once it has begun: none is begun later than this before the end of the wait, in milliseconds. */
const CHECK_TAKES_MS = 60_000;
/** The most validators that are asked for one check. */
const MOST_ASKED = 5;

export interface CheckParts {
  rentals: RentalParts;
  receipts: ReceiptParts;
}

/** Makes the check of a rental and takes the step that follows; nothing when it is over, or when the signal fires. */
export async function checkBeforeHandOver(parts: CheckParts, rentalId: string, signal: AbortSignal): Promise<void> {
  const { database, ports } = parts.rentals;
  const row = await readRental(database.db, rentalId);
  if (row === null || row.rental.check === null || !isBeingChecked(row.rental)) return;
  ports.crashHere('market.check.claimed');
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const waiting = ports.clock.sleep(row.rental.check.untilMs - ports.clock.now(), until).then(() => over.abort());
  const said: string[] = [];
  try {
    if ((await judge(parts, row)).verdict === 'none') await askAll(parts, row, said, until);
  } finally {
    over.abort();
    await waiting;
  }
  if (signal.aborted) return;
  const { verdict, why } = await judge(parts, row);
  ports.crashHere('market.check.judged');
  if (verdict === 'fail') return endFailed(parts.rentals, row, `the check before the hand-over failed: ${why}`);
  const detail = verdict === 'none' ? `${NOBODY_CHECKED} (${said.at(-1) ?? 'none can be reached'})` : null;
  await takeStep(parts.rentals, rentalId, { command: { type: 'checked', verdict }, checkDetail: detail });
}

const NOBODY_CHECKED = 'no validator has checked the machine; it is asked all the same';

async function judge(parts: CheckParts, row: RentalRow): Promise<{ verdict: HandOverVerdict; why: string }> {
  const { createdAtMs, machineKey, units } = row;
  const arrived = await receiptsSince(parts.rentals.database.db, machineKey, units, createdAtMs);
  const receipts = arrived.filter((receipt) => isOfHandOver(receipt, createdAtMs));
  const verdict = judgeHandOver(units, receipts, { atMs: createdAtMs, class: row.class });
  const failed = receipts.find((receipt) => receipt.verdict === 'fail');
  if (failed !== undefined) return { verdict, why: printable(`${failed.reason.code}, ${failed.reason.message}`, 200) };
  const measured = receipts.map((receipt) => receipt.class).join(', ');
  return { verdict, why: printable(`it measured as ${measured}, not as ${row.class}`, 200) };
}

async function askAll(parts: CheckParts, row: RentalRow, said: string[], signal: AbortSignal): Promise<void> {
  const { ports } = parts.rentals;
  const untilMs = row.rental.check?.untilMs ?? 0;
  const ask = { machineKey: row.machineKey, units: row.units, deadlineMs: Math.max(0, untilMs - CHECK_TAKES_MS) };
  const candidates = await Promise.race([candidatesFor(parts, row), aborted(signal).then(() => [])]);
  const isDecided = async (): Promise<boolean> => (await judge(parts, row)).verdict !== 'none';
  await askInTurn(
    candidates,
    async (validator) => {
      try {
        const hasChecked = await askOne(parts, row, validator, ask, said, signal);
        // The check that it was in when it was asked may have begun long before the rent: one more that did not.
        if (hasChecked && !(await isDecided())) await askOne(parts, row, validator, ask, said, signal);
      } catch (fault) {
        if (signal.aborted) return;
        said.push(fault instanceof CeliumError ? printable(fault.message, 64) : 'one cannot be reached');
        ports.log.info(
          { err: fault, rentalId: row.rentalId, validator: validator.hotkey },
          'a validator did not check',
        );
      }
    },
    isDecided,
    ports.clock,
    signal,
  );
}

/** Asks one validator and takes in its receipts of these units; true when it says that it has checked. */
async function askOne(
  parts: CheckParts,
  row: RentalRow,
  validator: ValidatorAddress,
  ask: HandOverAsk,
  said: string[],
  signal: AbortSignal,
): Promise<boolean> {
  const { ports } = parts.rentals;
  const answer = await askForCheck(ports, validator, ask, signal);
  if (answer.outcome !== 'CHECKED') {
    said.push(printable(answer.outcome, 64));
    return false;
  }
  // The answer's word is worth nothing: only what this very validator signed, and only while it has a permit, is taken in.
  if (!(await ports.hasPermit(validator.hotkey))) throw new CeliumError('KEY_NOT_DELEGATED');
  for (const receipt of answer.receipts) {
    if (receipt.body.machineKey !== row.machineKey || !row.units.includes(receipt.body.unit)) continue;
    await acceptReceipt(parts.receipts, receipt, validator.hotkey);
  }
  said.push('no good receipt came of it');
  return true;
}

/** Validators that know the machine first, by their newest receipt; then the others, in an order that nobody foresees. */
async function candidatesFor(parts: CheckParts, row: RentalRow): Promise<ValidatorAddress[]> {
  const { database, ports } = parts.rentals;
  const all = await readValidators(ports, row.rentalId);
  if (all.length === 0) return [];
  const knowing = await validatorsOf(database.db, row.machineKey);
  const place = ({ hotkey }: ValidatorAddress): number => {
    const at = knowing.indexOf(hotkey);
    return at < 0 ? knowing.length + ports.randomness.fraction() : at;
  };
  return all
    .map((validator) => ({ validator, place: place(validator) }))
    .sort((a, b) => a.place - b.place)
    .slice(0, MOST_ASKED)
    .map(({ validator }) => validator);
}

async function readValidators(ports: MarketPorts, rentalId: string): Promise<readonly ValidatorAddress[]> {
  try {
    return await ports.validators();
  } catch (fault) {
    ports.log.warn({ err: fault, rentalId }, 'the validators could not be read; the units are handed over unchecked');
    return [];
  }
}
