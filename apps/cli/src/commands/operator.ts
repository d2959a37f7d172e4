/** `celium operator ...`: what only the operator of a market may do; the key lies in the market's state folder. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildCommand, buildRouteMap } from '@stricli/core';
import { CeliumError } from '@celium/contract';
import { createClient, type Client } from '@celium/sdk';
import type { CliContext } from '../context.ts';
import { marketUrlOf } from '../market/connect.ts';
import { formatUsd } from '../output/format.ts';
import { writeResult } from '../output/result.ts';
import { formatTable } from '../output/table.ts';
import { clientFlags, describe, parseDollars, type ClientFlags } from './flags.ts';
import { stateFlag, stateFolderOf } from './serve.ts';

interface OperatorFlags extends ClientFlags {
  state?: string | undefined;
}

const operatorFlags = {
  ...clientFlags,
  state: { ...stateFlag, brief: 'State folder of the market, where the operator’s key lies' },
};

interface CreditFlags extends OperatorFlags {
  note?: string | undefined;
}

const creditCommand = buildCommand<CreditFlags, [string, bigint], CliContext>({
  async func(flags, email, amount) {
    const client = connectAsOperator(this, flags);
    const body = { email, amountMicroUsd: String(amount), note: flags.note ?? '' };
    const granted = await client.call('grantCredit', { body });
    writeResult(
      this,
      flags.json,
      granted,
      () => `${email} now has ${formatUsd(granted.availableMicroUsd)} to spend.\n`,
    );
  },
  parameters: {
    flags: {
      ...operatorFlags,
      note: { kind: 'parsed', parse: String, placeholder: 'text', brief: 'Why, for the ledger', optional: true },
    },
    positional: {
      kind: 'tuple',
      parameters: [
        { parse: String, placeholder: 'email', brief: 'Address of the account' },
        { parse: parseDollars, placeholder: 'usd', brief: 'Amount in dollars' },
      ],
    },
  },
  docs: {
    brief: 'Give an account credit',
    fullDescription: describe('Gives an account credit to spend on this market.', [
      ['celium operator credit me@example.org 5', 'five dollars'],
      ['celium operator credit me@example.org 5 --state /srv/market', 'with the key of this market'],
    ]),
  },
});

const auditCommand = buildCommand<OperatorFlags, [], CliContext>({
  async func(flags) {
    const audit = await connectAsOperator(this, flags).call('auditLedger');
    writeResult(this, flags.json, audit, () => {
      const rows = audit.accounts.map((line) => [line.account, formatUsd(line.balanceMicroUsd)]);
      rows.push(['sum', formatUsd(audit.ledgerSumMicroUsd)]);
      const found = audit.violations.length === 0 ? 'No violations.' : audit.violations.join('\n');
      return `${formatTable([{ title: 'ACCOUNT' }, { title: 'BALANCE', align: 'right' }], rows)}${found}\n`;
    });
    if (audit.violations.length > 0) {
      throw new CeliumError('INTERNAL', `The ledger has ${audit.violations.length} violations.`);
    }
  },
  parameters: { flags: operatorFlags },
  docs: {
    brief: 'Audit the ledger: every posting sums to zero',
    fullDescription: describe('Sums all ledger entries of the market and lists what breaks its rules.', [
      ['celium operator audit', 'exit status 0: the sum is zero and no rule is broken'],
    ]),
  },
});

function connectAsOperator(context: CliContext, flags: OperatorFlags): Client {
  const path = join(stateFolderOf(context, flags.state, 'market'), 'operator.key');
  let apiKey: string;
  try {
    apiKey = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new CeliumError('UNAUTHENTICATED', `The operator’s key cannot be read from ${path}.`, {
      cause,
      details: { remedy: 'Run this where the market runs, as its user, or give its folder with --state.' },
    });
  }
  return createClient({ baseUrl: marketUrlOf(context, flags.market), apiKey });
}

export const operatorRoutes = buildRouteMap({
  routes: { credit: creditCommand, audit: auditCommand },
  docs: { brief: 'Operate a market: credit, audit' },
});
