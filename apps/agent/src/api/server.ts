/** The signed HTTPS API for validators and direct access (contract `AGENT_API`). Callers pin the TLS key from the manifest. */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { verifyRequest, type NonceStore } from '@celium/chain';
import { AGENT_API, CeliumError, ERRORS, errorBody, parseStrangersJson, type LeaseStatus } from '@celium/contract';
import { wait, type Clock } from '../clock.ts';
import type { TlsIdentity } from '../identity/tls-key.ts';
import type { HostInventory } from '../inventory/host-inventory.ts';
import { faultOfReader, type HasPermit } from '../leases/authority.ts';
import type { AgentIdentity } from '../leases/desk-ports.ts';
import type { LeaseDesk } from '../leases/lease-desk.ts';
import { explain, type Log } from '../log.ts';
import type { OwnManifest } from '../manifest/manifest-source.ts';
import type { GrantLog } from '../publication/grant-log.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { LeaseStore } from '../store/lease-store.ts';
import { RequestBudget } from './request-budget.ts';

const MAX_BODY_BYTES = 1_310_720;
const MAX_LOG_ENTRIES = 1_000;
const MAX_WAIT_MS = 30_000;
const WAIT_POLL_MS = 10;
const REQUEST_TIMEOUT_MS = 60_000;

export interface ApiPorts {
  identity: AgentIdentity;
  tls: TlsIdentity;
  manifest: () => OwnManifest;
  desk: LeaseDesk;
  reconciler: Reconciler;
  store: LeaseStore;
  grantLog: GrantLog;
  inventory: Pick<HostInventory, 'read'>;
  hasPermit: HasPermit;
  nonces: NonceStore;
  clock: Clock;
  log: Log;
}

const WAITABLE = ['starting', 'ready', 'gone'] as const;

/** Makes the server; it does not listen yet. */
export function makeApi(ports: ApiPorts): FastifyInstance {
  const app = fastify({
    https: { key: ports.tls.keyPem, cert: ports.tls.certificatePem, minVersion: 'TLSv1.2' },
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
  }) as unknown as FastifyInstance;
  // Signatures cover the raw bytes, so bodies are parsed after they were checked.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((fault, _request, reply) => answerFault(fault, reply, ports.log));
  app.setNotFoundHandler((_request, reply) =>
    answerFault(new CeliumError('NOT_FOUND', 'no such path'), reply, ports.log),
  );

  const budget = new RequestBudget(ports.clock);
  app.addHook('onRequest', async (request) => {
    if (!budget.take(request.ip))
      throw new CeliumError('RATE_LIMITED', 'more than 50 requests a second from one address');
  });

  app.get(AGENT_API.manifest, async () => ports.manifest().signed);

  app.post(AGENT_API.leases, async (request) => {
    const { signer, body } = await authenticate(request, ports);
    const answer = await ports.desk.request(body, signer);
    if (answer.ok) return { grant: answer.grant };
    const details = answer.refusal === null ? {} : { details: { refusal: answer.refusal } };
    throw new CeliumError(answer.code, answer.message, details);
  });

  app.get<{ Params: { leaseId: string }; Querystring: { waitFor?: string; waitMs?: string } }>(
    AGENT_API.lease(':leaseId'),
    async (request) => {
      const { signer } = await authenticate(request, ports);
      const { waitFor, waitMs } = request.query;
      const patienceMs = Math.min(MAX_WAIT_MS, Math.max(0, Number(waitMs ?? MAX_WAIT_MS) || 0));
      return { lease: await awaitLease(request.params.leaseId, signer, waitFor, patienceMs, ports) };
    },
  );

  app.post<{ Params: { leaseId: string } }>(AGENT_API.commands(':leaseId'), async (request) => {
    const { signer, body } = await authenticate(request, ports);
    const answer = await ports.desk.command(body, signer, request.params.leaseId);
    if (!answer.ok) throw new CeliumError(answer.code, answer.message);
    return { lease: statusOf(answer.leaseId, signer, ports) };
  });

  app.get(AGENT_API.inventory, async (request) => {
    const { signer } = await authenticate(request, ports);
    const fault = await faultOfReader(signer, ports.manifest().machine, ports.hasPermit);
    if (fault !== null) throw new CeliumError(fault.code, fault.message);
    return { inventory: await ports.inventory.read() };
  });

  app.get<{ Querystring: { from?: string } }>(AGENT_API.log, async (request) => {
    const from = Number(request.query.from ?? 1);
    if (!Number.isSafeInteger(from) || from < 1) throw new CeliumError('BAD_REQUEST', 'from is a number of 1 or more');
    return await ports.grantLog.read(from, MAX_LOG_ENTRIES);
  });
  return app;
}

/** The signer of a request (public key, hex) and its body as JSON. */
async function authenticate(request: FastifyRequest, ports: ApiPorts): Promise<{ signer: string; body: unknown }> {
  const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const checked = await verifyRequest(
    { method: request.method, path: request.url, headers: request.headers, body: new Uint8Array(raw) },
    { self: ports.identity.key, now: ports.clock.nowMs, nonces: ports.nonces },
  );
  if (!checked.ok) {
    ports.log.warn({ code: checked.code, path: request.url, from: request.ip }, 'a request is refused');
    throw new CeliumError(
      checked.code,
      checked.message,
      checked.clock === undefined ? {} : { details: { clock: checked.clock } },
    );
  }
  if (raw.length === 0) return { signer: checked.signer, body: null };
  try {
    return { signer: checked.signer, body: parseStrangersJson(raw.toString('utf8')) };
  } catch (cause) {
    throw new CeliumError('BAD_REQUEST', 'the body is not JSON', { cause });
  }
}

function statusOf(leaseId: string, signer: string, ports: ApiPorts): LeaseStatus {
  const record = ports.store.lease(leaseId);
  if (record === undefined || record.grant.body.authority !== signer) {
    throw new CeliumError('LEASE_UNKNOWN', 'the agent has no lease of that id for you');
  }
  return ports.reconciler.status(record);
}

/** The lease when it has reached `waitFor` (or a later state), or after `patienceMs`. */
async function awaitLease(
  leaseId: string,
  signer: string,
  waitFor: string | undefined,
  patienceMs: number,
  ports: ApiPorts,
): Promise<LeaseStatus> {
  if (waitFor === undefined) return statusOf(leaseId, signer, ports);
  if (!(WAITABLE as readonly string[]).includes(waitFor)) {
    throw new CeliumError('BAD_REQUEST', `waitFor is one of ${WAITABLE.join(', ')}`);
  }
  const order: readonly LeaseStatus['state'][] = ['granted', 'pulling', 'starting', 'ready', 'stopping', 'gone'];
  const wanted = order.indexOf(waitFor as LeaseStatus['state']);
  const deadlineMs = ports.clock.monotonicMs() + patienceMs;
  for (;;) {
    const status = statusOf(leaseId, signer, ports);
    if (order.indexOf(status.state) >= wanted || ports.clock.monotonicMs() >= deadlineMs) return status;
    await wait(ports.clock, WAIT_POLL_MS);
  }
}

function answerFault(fault: unknown, reply: FastifyReply, log: Log): void {
  const status = (fault as { statusCode?: unknown }).statusCode;
  const known = fault instanceof CeliumError ? fault : asRequestFault(fault, status);
  if (!(known instanceof CeliumError)) log.error({ fault: explain(fault) }, 'a request failed');
  const body = errorBody(known);
  void reply.status(ERRORS[body.error.code].status).send(body);
}

/** What the HTTP layer itself refuses (too large, malformed) is the caller's fault. */
function asRequestFault(fault: unknown, status: unknown): unknown {
  if (typeof status !== 'number' || status < 400 || status >= 500) return fault;
  return new CeliumError('BAD_REQUEST', explain(fault));
}
