/** Routes of machine checks: machine receipts for everybody, and this validator as a vantage point for other validators with a permit. */

import type { FastifyInstance } from 'fastify';
import { MemoryNonceStore, verifyRequest, type KeySigner } from '@celium/chain';
import { CeliumError, parseStrangersJson, VALIDATOR_API, vantageAsk } from '@celium/contract';
import { z } from 'zod';
import type { VantageDesk } from '../machine-check/vantage.ts';
import type { ValidatorClock } from '../ports.ts';
import type { GrantBook } from '../state/grant-book.ts';
import type { MachineBook } from '../state/machine-book.ts';

/** What the routes work with. */
export interface MachineRoutePorts {
  clock: ValidatorClock;
  hotkey: KeySigner;
  machineBook: MachineBook;
  grants: GrantBook;
  vantageDesk: VantageDesk;
  /** Whether a hotkey has a validator permit. */
  mayAsk: (hotkey: string) => boolean;
}

const receiptsQuery = z.object({
  machineKey: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

const doubleGrantParams = z.object({ machineKey: z.string().regex(/^[0-9a-f]{64}$/) });

/** Adds the routes to the validator's API. */
export function addMachineRoutes(app: FastifyInstance, ports: MachineRoutePorts): void {
  const nonces = new MemoryNonceStore(() => ports.clock.unixMs());
  app.get('/v1/machine-receipts', (request) => {
    const { machineKey, limit } = receiptsQuery.parse(request.query);
    return { receipts: ports.machineBook.newest(limit, machineKey) };
  });
  app.get('/v1/double-grants/:machineKey', (request) => {
    const { machineKey } = doubleGrantParams.parse(request.params);
    const file = ports.grants.evidence(machineKey, ports.clock.unixMs());
    if (file === null)
      throw new CeliumError('NOT_FOUND', 'This validator holds no double grant against that machine key.');
    return file;
  });
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The signature covers the bytes, so they are kept as they came.
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.post(VALIDATOR_API.vantage, async (request) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const parts = { method: request.method, path: request.url, headers: request.headers, body };
      const verified = await verifyRequest(parts, { self: ports.hotkey, now: () => ports.clock.unixMs(), nonces });
      if (!verified.ok) {
        const { code, message, clock } = verified;
        throw new CeliumError(code, message, clock === undefined ? {} : { details: { clock } });
      }
      if (!ports.mayAsk(verified.ss58))
        throw new CeliumError('KEY_NOT_DELEGATED', 'A vantage point works for validators with a permit only.');
      const report = await ports.vantageDesk.answer(vantageAsk.parse(read(body)));
      if (report === null)
        throw new CeliumError('RATE_LIMITED', 'Other questions are being answered; ask again later.');
      return { report };
    });
  });
}

function read(body: Buffer): unknown {
  try {
    return parseStrangersJson(body.toString('utf8'));
  } catch {
    throw new CeliumError('BAD_REQUEST', 'the body is no JSON');
  }
}
