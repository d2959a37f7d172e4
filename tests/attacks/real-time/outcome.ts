/** What came of a check, as the validator signed it: a receipt whose signature is verified, or the reason why there is none. */
import { verifyDocument } from '@celium/chain';
import type { ProgressEvent, Receipt } from '@celium/contract';
import { openDatabase } from '../../../apps/validator/src/state/database.ts';
import { ReceiptBook } from '../../../apps/validator/src/state/receipt-book.ts';
import { emptyTally, type Tally } from '../family.ts';

/** The outcome of one machine's check. */
export interface CheckOutcome {
  /** `pass` and `fail` come with a signed receipt; the rest are the words of the validator's report for a visit without one. */
  verdict: string;
  reason: string;
  receipt: Receipt | null;
  /** Work units per second, by the validator's clock; 0 where nothing was measured. */
  measuredRate: number;
  proofBytes: number;
  validatorCpuSeconds: number;
}

/** Reads the outcomes of one run of the validator, one for each machine key. Throws where a line or a signature is missing. */
export function readOutcomes(
  state: string,
  events: readonly ProgressEvent[],
  machineKeys: readonly string[],
): CheckOutcome[] {
  const lines = events.filter((event) => event.event === 'check') as unknown as Array<Record<string, unknown>>;
  const database = openDatabase(state);
  try {
    const book = new ReceiptBook(database);
    return machineKeys.map((machineKey) => {
      const line = lines.find((one) => one['machineKey'] === machineKey);
      if (line === undefined) throw new Error(`the validator said nothing of ${machineKey}: ${JSON.stringify(events)}`);
      return outcomeOf(line, book);
    });
  } finally {
    database.close();
  }
}

function outcomeOf(line: Record<string, unknown>, book: ReceiptBook): CheckOutcome {
  const reason = (line['reason'] as { code?: string } | undefined)?.code ?? '';
  const receiptId = line['receiptId'];
  if (typeof receiptId !== 'string')
    return { verdict: String(line['verdict']), reason, receipt: null, ...NOTHING_MEASURED };
  const found = book.find(receiptId);
  const verified = verifyDocument('receipt', found?.receipt);
  if (!verified.ok) throw new Error(`receipt ${receiptId}: ${verified.message}`);
  const receipt = verified.body;
  const figures = (receipt.proof as ProofSummary | undefined)?.figures;
  return {
    verdict: receipt.verdict,
    reason: receipt.reason.code,
    receipt,
    measuredRate: Math.max(0, figures?.measuredRateUnitsPerSecond ?? 0),
    proofBytes: Math.max(0, figures?.bytesReceived ?? 0),
    validatorCpuSeconds: Number(line['auditCpuSeconds'] ?? 0),
  };
}

/** The part of a receipt's `proof` that counts here; -1 stands for "never seen". */
interface ProofSummary {
  figures?: { bytesReceived?: number; measuredRateUnitsPerSecond?: number };
}

const NOTHING_MEASURED = { measuredRate: 0, proofBytes: 0, validatorCpuSeconds: 0 };

/** One outcome as a try: detected when the machine got no pass, for one of the reasons that this attack is expected to be refused for. */
export function tallyOf(outcome: CheckOutcome, expected: readonly string[]): Tally {
  const { verdict, reason, receipt, validatorCpuSeconds, proofBytes } = outcome;
  return {
    ...emptyTally(),
    tries: 1,
    detected: verdict !== 'pass' && expected.includes(reason) ? 1 : 0,
    reasons: { [reason]: 1 },
    validatorCpuSeconds,
    proofBytes,
    units: receipt === null ? 0 : 1,
  };
}

/** An honest machine's outcome: whatever is not a pass is a false reject. */
export function honestTally(outcome: CheckOutcome): Tally {
  return { ...tallyOf(outcome, []), detected: outcome.verdict === 'pass' ? 0 : 1 };
}
