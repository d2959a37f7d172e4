/** `celium balance` and `celium bill`: what there is, and what it cost. */

import { buildCommand } from '@stricli/core';
import type { Bill } from '@celium/contract';
import type { CallReply } from '@celium/sdk';
import type { CliContext } from '../context.ts';
import { connectAsAccount } from '../market/connect.ts';
import { findRental } from '../market/match-id.ts';
import { formatTime, formatUsd, shortId } from '../output/format.ts';
import { writeResult } from '../output/result.ts';
import { formatFields, formatTable } from '../output/table.ts';
import { clientFlags, describe, type ClientFlags } from './flags.ts';

type LedgerLine = CallReply<'listLedger'>['lines'][number];

/** Ledger lines shown for one pod: more than a rental of a month has. */
const LEDGER_LIMIT = 1_000;

export const balanceCommand = buildCommand<ClientFlags, [], CliContext>({
  async func(flags) {
    const balance = await connectAsAccount(this, flags.market).call('getBalance');
    writeResult(this, flags.json, balance, () =>
      formatFields([
        ['available', formatUsd(balance.availableMicroUsd)],
        ['held for pods', formatUsd(balance.heldMicroUsd)],
      ]),
    );
  },
  parameters: { flags: clientFlags },
  docs: {
    brief: 'Show what you can spend',
    fullDescription: describe(
      'Shows the money that is free and the money that is held for running pods. What a pod does not use of its hold comes back when it ends.',
      [
        ['celium balance', 'in dollars'],
        ['celium balance --json', 'in micro-dollars'],
      ],
    ),
  },
});

interface BillFlags extends ClientFlags {
  ledger?: boolean | undefined;
}

export const billCommand = buildCommand<BillFlags, [string], CliContext>({
  async func(flags, pod) {
    const client = connectAsAccount(this, flags.market);
    const { rentalId } = await findRental(client, pod);
    const bill = await client.call('getBill', { params: { rentalId } });
    if (flags.ledger !== true) {
      writeResult(this, flags.json, bill, () => describeBill(bill));
      return;
    }
    const { lines } = await client.call('listLedger', { query: { rentalId, limit: LEDGER_LIMIT } });
    writeResult(this, flags.json, { ...bill, ledger: lines }, () => `${describeBill(bill)}\n${describeLedger(lines)}`);
  },
  parameters: {
    flags: {
      ...clientFlags,
      ledger: { kind: 'boolean', brief: 'Also every ledger entry of this pod', optional: true, withNegated: false },
    },
    positional: {
      kind: 'tuple',
      parameters: [{ parse: String, placeholder: 'pod', brief: 'Pod, by id or its beginning' }],
    },
  },
  docs: {
    brief: 'Show what a pod costs, second by second',
    fullDescription: describe(
      'A second is billed when both the machine and the market saw the pod alive in it. All other seconds are free, each with its reason.',
      [
        ['celium bill 3f2a', 'billed and free seconds, and who got the money'],
        ['celium bill 3f2a --ledger', 'also the double-entry ledger of this pod'],
      ],
    ),
  },
});

/** The bill in words. */
export function describeBill(bill: Bill): string {
  const fields: Array<[string, string]> = [
    ['pod', bill.rentalId],
    ['state', bill.endReason === null ? bill.state : `${bill.state} (${bill.endReason})`],
    ['class', bill.class ?? '-'],
    ['price', `${formatUsd(bill.priceMicroUsdPerHour)} an hour`],
    ['rented (UTC)', formatTime(bill.createdAtMs)],
    ['ready (UTC)', formatTime(bill.readyAtMs)],
    ['ended (UTC)', formatTime(bill.endedAtMs)],
    ['billed', `${formatSeconds(bill.billableSeconds)} s`],
  ];
  for (const free of bill.freeSeconds) fields.push(['free', `${formatSeconds(free.seconds)} s: ${free.reason}`]);
  fields.push(
    ['charged', formatUsd(bill.chargedMicroUsd)],
    ['  to the provider', formatUsd(bill.providerMicroUsd)],
    ['  fee', formatUsd(bill.feeMicroUsd)],
  );
  return formatFields(fields);
}

/** Ledger entries as a table, oldest first, with their sum. */
export function describeLedger(lines: readonly LedgerLine[]): string {
  const rows = lines
    .toReversed()
    .map((line) => [
      formatTime(line.atMs),
      shortId(line.transferId),
      line.kind,
      line.account,
      formatUsd(line.amountMicroUsd),
    ]);
  const sum = lines.reduce((total, line) => total + BigInt(line.amountMicroUsd), 0n);
  rows.push(['', '', '', 'sum', formatUsd(sum)]);
  return formatTable(
    [
      { title: 'TIME (UTC)' },
      { title: 'TRANSFER' },
      { title: 'KIND' },
      { title: 'ACCOUNT' },
      { title: 'AMOUNT', align: 'right' },
    ],
    rows,
  );
}

function formatSeconds(seconds: number): string {
  return Number.isInteger(seconds) ? String(seconds) : seconds.toFixed(3);
}
