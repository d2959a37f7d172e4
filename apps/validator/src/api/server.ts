/** The validator's public HTTP API: its log, its receipts, everything needed to repeat an audit, and verifications of pods for their renters. Nothing here is secret. */

import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { KeySigner } from '@celium/chain';
import { MemoryNonceStore, signDocument, verifyRequest } from '@celium/chain';
import {
  CeliumError,
  errorBody,
  ERRORS,
  parseStrangersJson,
  PROOF_FILE_FORM,
  REQUEST_HEADERS,
  unitId,
  VALIDATOR_API,
  verificationAsk,
  type Signed,
} from '@celium/contract';
import { printableJson } from '@celium/domain';
import { z } from 'zod';
import { handOverRoutes, type HandOverPorts } from './hand-overs.ts';
import type { BarrierKeeper } from '../epoch/barrier-keeper.ts';
import type { ValidatorClock } from '../ports.ts';
import type { VerificationDesk } from '../renters/verification-desk.ts';
import { trustInMachine } from '../inventory/look-at-host.ts';
import type { Inventories } from '../state/inventories.ts';
import type { ReceiptBook } from '../state/receipt-book.ts';
import type { TranscriptFiles } from '../state/transcripts.ts';
import type { UnitRegistry } from '../state/unit-registry.ts';
import { RequestBudget } from './request-budget.ts';

/** What the API reads. */
export interface ApiPorts {
  clock: ValidatorClock;
  hotkey: KeySigner;
  receipts: ReceiptBook;
  transcripts: TranscriptFiles;
  registry: UnitRegistry;
  inventories: Inventories;
  /** The barrier of this epoch, if it is ours. */
  barriers: Pick<BarrierKeeper, 'statement' | 'mayJoin'>;
  status: () => Record<string, unknown>;
  /** Verifications that renters ask for. */
  desk: VerificationDesk;
  /** Checks that markets ask for before a hand-over. */
  handOvers: HandOverPorts;
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
const machineParams = z.object({ machineKey: z.string().regex(/^[0-9a-f]{64}$/) });
const unitParams = z.object({ unit: unitId });
const MAX_UNIT_CHANGES = 100;
const verificationParams = z.object({ verificationId: z.uuid() });
/** Bytes of a grant with its envelope. */
const MAX_ASK_BYTES = 131_072;
const proofParams = z.object({ receiptId: z.uuid() });

/** Builds the server; `listen` is the caller's. */
export function createApi(ports: ApiPorts): FastifyInstance {
  const app = fastify({ logger: false, bodyLimit: 1_024, requestTimeout: 10_000, keepAliveTimeout: 5_000 });
  let head: Signed<'log-head'> | null = null;
  const nonces = new MemoryNonceStore(() => ports.clock.unixMs());
  const budget = new RequestBudget(ports.clock);

  app.addHook('onRequest', async (request) => {
    const cost = request.url === '/livez' ? 1 : request.url.startsWith('/v1/verifications/') ? 2 : 10;
    if (!budget.take(request.ip, cost)) throw new CeliumError('RATE_LIMITED');
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? undefined : parseStrangersJson(String(body)));
    } catch {
      done(new CeliumError('BAD_REQUEST', 'the body is no JSON'), undefined);
    }
  });

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
  app.get(VALIDATOR_API.barrier, async (request) => {
    const reader = await readerOf(request, ports, nonces);
    const statement = await ports.barriers.statement(reader !== null && ports.barriers.mayJoin(reader));
    if (statement === null) throw new CeliumError('NOT_FOUND', 'This validator coordinates no barrier in this epoch.');
    return statement;
  });
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
  app.get('/v1/inventories/:machineKey', (request) => {
    const { machineKey } = machineParams.parse(request.params);
    const found = ports.inventories.find(machineKey);
    if (found === null) throw new CeliumError('NOT_FOUND', 'This validator has no inventory of such a machine.');
    const { receivedAtMs, alarms, signed } = found;
    return { receivedAtMs, trust: trustInMachine(ports, machineKey), alarms, inventory: signed };
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
    const { pair } = found.receipt.body;
    const pairTranscript = pair === undefined ? null : ports.transcripts.read(pair.transcriptHash);
    return {
      form: PROOF_FILE_FORM,
      ...found,
      transcript: transcript === null ? null : (JSON.parse(transcript) as unknown),
      ...(pairTranscript === null ? {} : { pairTranscript: JSON.parse(pairTranscript) as unknown }),
    };
  });
  app.post('/v1/verifications', { bodyLimit: MAX_ASK_BYTES }, (request, reply) => {
    const { grant, listed } = verificationAsk.parse(request.body);
    return reply.code(201).send(ports.desk.open(grant, listed));
  });

  app.post('/v1/verifications/:verificationId/start', (request, reply) => {
    const { verificationId } = verificationParams.parse(request.params);
    return reply.code(202).send(ports.desk.start(verificationId));
  });

  app.get('/v1/verifications/:verificationId', (request) => {
    const { verificationId } = verificationParams.parse(request.params);
    return ports.desk.view(verificationId);
  });

  void app.register(handOverRoutes(ports, ports.handOvers, nonces));
  return app;
}

/** The address of the hotkey that signed a request; null for a request without a signature. Throws what is wrong with a signed one. */
async function readerOf(request: FastifyRequest, ports: ApiPorts, nonces: MemoryNonceStore): Promise<string | null> {
  const { method, url: path, headers } = request;
  if (headers[REQUEST_HEADERS.key] === undefined) return null;
  const verifier = { self: ports.hotkey, now: () => ports.clock.unixMs(), nonces };
  const verified = await verifyRequest({ method, path, headers }, verifier);
  if (verified.ok) return verified.ss58;
  const { code, message, clock } = verified;
  throw new CeliumError(code, message, clock === undefined ? {} : { details: { clock } });
}

function firstIssue(fault: z.ZodError): string {
  const issue = fault.issues[0];
  return issue === undefined ? ERRORS.BAD_REQUEST.meaning : `${issue.path.map(String).join('.')}: ${issue.message}`;
}
