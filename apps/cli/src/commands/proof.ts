/** `celium proof ...`: receipts of validators, and the check of a check on one's own machine. */

import { readFileSync, writeFileSync } from 'node:fs';
import { buildCommand, buildRouteMap } from '@stricli/core';
import { CeliumError } from '@celium/contract';
import { printableJson } from '@celium/domain';
import type { CliContext } from '../context.ts';
import { connectAsStranger } from '../market/connect.ts';
import { formatDuration, formatTime, shortId } from '../output/format.ts';
import { writeResult } from '../output/result.ts';
import { formatFields, formatTable } from '../output/table.ts';
import type { ProvenDoubleGrant } from '../proof/verify-double-grant.ts';
import type { FileVerdict } from '../proof/verify-file.ts';
import { clientFlags, describe, jsonFlag, type ClientFlags, type OutputFlags } from './flags.ts';
import { chainFlag, chainUrlOf } from './serve.ts';

const verifyCommand = buildCommand<OutputFlags, [string], CliContext>({
  async func(flags, file) {
    const { readProofFile, verifyProofFile } = await import('../proof/verify-file.ts');
    const { verifyDoubleGrantFile } = await import('../proof/verify-double-grant.ts');
    const text = file === '-' ? await this.readStdin() : readFile(file);
    const fraud = verifyDoubleGrantFile(text);
    if (fraud !== null) return writeResult(this, flags.json, fraud, () => describeDoubleGrant(fraud));
    const verdict = verifyProofFile(readProofFile(text));
    writeResult(this, flags.json, verdict, () => describeVerdict(verdict));
    if (!verdict.ok) {
      const wrong = verdict.findings
        .filter((finding) => !finding.ok)
        .map((finding) => `${finding.check}: ${finding.detail}`);
      throw new CeliumError(
        'PROOF_FAILED',
        `The ${verdict.kind} does not follow from its transcript (${wrong.join('; ')}).`,
        {
          details: { remedy: 'Do not rely on it; show the file to the validator and to others.' },
        },
      );
    }
  },
  parameters: {
    flags: { json: jsonFlag },
    positional: {
      kind: 'tuple',
      parameters: [{ parse: String, placeholder: 'file', brief: 'Proof file, or - for standard input' }],
    },
  },
  docs: {
    brief: 'Repeat a validator’s audit on this machine, offline',
    fullDescription: describe(
      'Checks the signatures of receipt and grant, that the transcript is bound to them, and computes every sampled answer again. It proves content, not time: how long the machine took is the validator’s word.',
      [
        ['celium proof get 4be1 > proof.json', 'get a file first'],
        ['celium proof verify proof.json', 'exit status 0: the receipt says what its transcript shows'],
      ],
    ),
  },
});

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CeliumError(
      'BAD_PROOF_FILE',
      `${path} cannot be read (${(cause as { code?: string }).code ?? 'unknown'}).`,
      { cause },
    );
  }
}

function describeDoubleGrant({ machineKey, unit, proof, leaseIds }: ProvenDoubleGrant): string {
  return formatFields([
    ['double grant', proof],
    ['machine key', machineKey],
    ['unit', unit],
    ['leases', leaseIds.join(', ')],
  ]);
}

function describeVerdict(verdict: FileVerdict): string {
  const { tiles, leaves, walks } = verdict.audited;
  const head = formatFields([
    [verdict.kind, verdict.id],
    [verdict.kind === 'receipt' ? 'validator' : 'verified by', verdict.signedBy],
    ['machine', `${verdict.machineId} (${verdict.unit})`],
    ['class', verdict.class],
    ['verdict', verdict.verdict === 'pass' ? 'pass' : `fail: ${verdict.reason}`],
    ['checked (UTC)', formatTime(verdict.endedAtMs)],
    ['proof took', formatDuration(verdict.proofMs)],
    [
      'audited here',
      `${tiles} tiles, ${leaves} leaves, ${walks} walks in ${verdict.auditCpuSeconds.toFixed(2)} CPU-seconds`,
    ],
  ]);
  const rows = verdict.findings.map((finding) => [finding.ok ? 'ok' : 'WRONG', finding.check, finding.detail]);
  return `${head}\n${formatTable([{ title: '' }, { title: 'CHECK' }, { title: 'DETAIL' }], rows)}`;
}

interface LsFlags extends ClientFlags {
  machine?: string | undefined;
}

const lsCommand = buildCommand<LsFlags, [], CliContext>({
  async func(flags) {
    const { listReceipts } = await import('../proof/fetch-file.ts');
    const receipts = await listReceipts(connectAsStranger(this, flags.market), flags.machine);
    writeResult(this, flags.json, receipts, () => {
      if (receipts.length === 0) return 'No receipts: no validator has checked a machine of this market yet.\n';
      const rows = receipts.map((receipt) => [
        shortId(receipt.receiptId),
        receipt.machineId,
        receipt.unit,
        receipt.measured.class,
        receipt.verdict === 'pass' ? 'pass' : `fail (${receipt.reason.code})`,
        formatDuration(receipt.measured.proofMs),
        formatTime(receipt.endedAtMs),
        receipt.validator,
      ]);
      return formatTable(
        [
          { title: 'RECEIPT' },
          { title: 'MACHINE' },
          { title: 'UNIT' },
          { title: 'CLASS' },
          { title: 'VERDICT' },
          { title: 'TOOK', align: 'right' },
          { title: 'AT (UTC)' },
          { title: 'VALIDATOR' },
        ],
        rows,
      );
    });
  },
  parameters: {
    flags: {
      ...clientFlags,
      machine: {
        kind: 'parsed',
        parse: String,
        placeholder: 'id',
        brief: 'Only this machine, by id or key',
        optional: true,
      },
    },
  },
  docs: {
    brief: 'List receipts: the verdicts of validators on machines',
    fullDescription: describe('Lists the signed verdicts that the market has been given, newest first.', [
      ['celium proof ls', ''],
      ['celium proof ls --machine my-host', ''],
    ]),
  },
});

interface GetFlags {
  market?: string | undefined;
  validator?: string | undefined;
  chain?: string | undefined;
  out?: string | undefined;
}

const getCommand = buildCommand<GetFlags, [string], CliContext>({
  async func(flags, typed) {
    const { fetchProofFile, findReceipt, validatorUrlOf } = await import('../proof/fetch-file.ts');
    const receipt = await findReceipt(connectAsStranger(this, flags.market), typed);
    const given = flags.validator ?? this.process.env['CELIUM_VALIDATOR'];
    const url = given ?? (await validatorUrlOf(chainUrlOf(this, flags.chain), receipt.validator));
    const text = await fetchProofFile(url, receipt.receiptId);
    if (flags.out === undefined) this.process.stdout.write(`${printableJson(text)}\n`);
    else writeFileSync(flags.out, `${text}\n`);
  },
  parameters: {
    flags: {
      market: clientFlags.market,
      validator: {
        kind: 'parsed',
        parse: String,
        placeholder: 'url',
        brief: 'Address of the validator; else CELIUM_VALIDATOR, else its axon on the chain',
        optional: true,
      },
      chain: chainFlag,
      out: {
        kind: 'parsed',
        parse: String,
        placeholder: 'file',
        brief: 'Write it here instead of to the output',
        optional: true,
      },
    },
    aliases: { o: 'out' },
    positional: {
      kind: 'tuple',
      parameters: [{ parse: String, placeholder: 'receipt', brief: 'Receipt, by id or its beginning' }],
    },
  },
  docs: {
    brief: 'Get the proof file of a receipt from its validator',
    fullDescription: describe(
      'Gets the receipt with its grant and transcript: everything that `celium proof verify` needs.',
      [
        ['celium proof get 4be1 -o proof.json', ''],
        ['celium proof get 4be1 --validator http://127.0.0.1:7760 > proof.json', 'from a validator on this machine'],
      ],
    ),
  },
});

export const proofRoutes = buildRouteMap({
  routes: { verify: verifyCommand, get: getCommand, ls: lsCommand },
  docs: { brief: 'Receipts of validators, and how to check them yourself' },
});
