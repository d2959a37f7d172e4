/** The validator's public HTTP API: its log, its receipts, and everything needed to repeat an audit. Read only; nothing here is secret. */

import fastify, { type FastifyInstance } from 'fastify';
import type { KeySigner } from '@celium/chain';
import { signDocument } from '@celium/chain';
import { CeliumError, errorBody, ERRORS, PROOF_FILE_FORM, unitId, type Signed } from '@celium/contract';
import { printableJson } from '@celium/domain';
import { z } from 'zod';
import type { ValidatorClock } from '../ports.ts';
import type { ReceiptBook } from '../state/receipt-book.ts';
import type { TranscriptFiles } from '../state/transcripts.ts';
import type { UnitRegistry } from '../state/unit-registry.ts';

/** What the API reads. */
export interface ApiPorts {
  clock: ValidatorClock;
  hotkey: KeySigner;
  receipts: ReceiptBook;
  transcripts: TranscriptFiles;
  registry: UnitRegistry;
  status: () => Record<string, unknown>;
}

const logQuery = z.object({
  from: z.coerce.number().int().min(1).default(1),
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
});
const receiptsQuery = z.object({
  machineKey: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});
const unitParams = z.object({ unit: unitId });
const MAX_UNIT_CHANGES = 100;
const proofParams = z.object({ receiptId: z.uuid() });

/** Builds the server; `listen` is the caller's. */
export function createApi(ports: ApiPorts): FastifyInstance {
  const app = fastify({ logger: false, bodyLimit: 1_024, requestTimeout: 10_000, keepAliveTimeout: 5_000 });
  let head: Signed<'log-head'> | null = null;

  app.setErrorHandler((fault, _request, reply) => {
    const known = fault instanceof z.ZodError ? new CeliumError('BAD_REQUEST', firstIssue(fault)) : fault;
    const status = known instanceof CeliumError ? ERRORS[known.code].status : 500;
    return reply.code(status).send(errorBody(known));
  });
  // Visits and receipts hold what agents said.
  app.setReplySerializer((payload) => printableJson(JSON.stringify(payload)));
  app.setNotFoundHandler((_request, reply) => reply.code(404).send(errorBody(new CeliumError('NOT_FOUND'))));

  app.get('/livez', () => ({ ok: true }));
  app.get('/v1/status', () => ports.status());
  app.get('/v1/receipts', (request) => {
    const { machineKey, limit } = receiptsQuery.parse(request.query);
    return { receipts: ports.receipts.newest(limit, machineKey) };
  });
  app.get('/v1/units/:unit', (request) => {
    const { unit } = unitParams.parse(request.params);
    const standing = ports.registry.standings(ports.clock.unixMs(), unit).get(unit);
    if (standing === undefined) throw new CeliumError('NOT_FOUND', 'No manifest in force lists this GPU.');
    return { unit, ...standing, changes: ports.registry.history(unit, MAX_UNIT_CHANGES) };
  });
  app.get('/v1/log', async (request) => {
    const { from, limit } = logQuery.parse(request.query);
    const position = ports.receipts.logPosition();
    if (head === null || head.body.height !== position.height)
      head = await signDocument('log-head', { ...position, atMs: ports.clock.unixMs() }, ports.hotkey);
    return { head, entries: ports.receipts.logEntries(from, limit) };
  });
  app.get('/v1/proofs/:receiptId', (request) => {
    const { receiptId } = proofParams.parse(request.params);
    const found = ports.receipts.find(receiptId);
    if (found === null) throw new CeliumError('NOT_FOUND', 'This validator made no such receipt.');
    const hash = found.receipt.body.transcriptHash;
    const transcript = hash === '' ? null : ports.transcripts.read(hash);
    if (hash !== '' && transcript === null)
      throw new CeliumError(
        'NOT_FOUND',
        'The transcript of this receipt is not kept any more; newer receipts have theirs.',
      );
    return {
      form: PROOF_FILE_FORM,
      ...found,
      transcript: transcript === null ? null : (JSON.parse(transcript) as unknown),
    };
  });
  return app;
}

function firstIssue(fault: z.ZodError): string {
  const issue = fault.issues[0];
  return issue === undefined ? ERRORS.BAD_REQUEST.meaning : `${issue.path.map(String).join('.')}: ${issue.message}`;
}
