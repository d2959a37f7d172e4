/** A validator's endpoint for tests: a real HTTP server that takes signed requests for checks, and answers what a test wants. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MemoryNonceStore, signDocument, verifyRequest, type KeyPair } from '@celium/chain';
import { handOverAsk, VALIDATOR_API, type HandOverAnswer, type HandOverAsk, type Receipt } from '@celium/contract';
import type { FakeProvider } from './fake-agent.ts';
import { receiptBody } from './test-market.ts';

/** What a test's validator does with an ask; the text that it returns is the answer as it is. */
export type Deed = (ask: HandOverAsk, validator: FakeValidator) => Promise<HandOverAnswer | string>;

export class FakeValidator {
  readonly key: KeyPair;
  readonly now: () => number;
  /** Asks that came, with the public key of who signed them. */
  readonly asks: Array<HandOverAsk & { signer: string }> = [];
  deed: Deed;
  url = '';
  readonly #server: Server;

  private constructor(key: KeyPair, now: () => number, deed: Deed) {
    this.key = key;
    this.now = now;
    this.deed = deed;
    const nonces = new MemoryNonceStore(now);
    this.#server = createServer((request, response) => {
      this.#serve(request, response, nonces).catch(() => response.destroy());
    });
  }

  static async start(key: KeyPair, now: () => number, deed: Deed): Promise<FakeValidator> {
    const validator = new FakeValidator(key, now, deed);
    await new Promise<void>((resolve) => validator.#server.listen(0, '127.0.0.1', resolve));
    validator.url = `http://127.0.0.1:${(validator.#server.address() as AddressInfo).port}`;
    return validator;
  }

  /** A signed receipt of this validator: a pass of a check that begins and ends now, unless changed. */
  receipt(provider: FakeProvider, changes: Partial<Receipt> = {}, signer = this.key) {
    const nowMs = this.now();
    const times = { startedAtMs: nowMs, endedAtMs: nowMs };
    return signDocument('receipt', receiptBody(provider, this.key, nowMs, { ...times, ...changes }), signer);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse, nonces: MemoryNonceStore): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const { method = '', url: path = '', headers } = request;
    const recipient = { self: this.key, now: this.now, nonces };
    const verified = await verifyRequest({ method, path, headers, body }, recipient);
    if (!verified.ok || path !== VALIDATOR_API.checks) {
      response.statusCode = 401;
      response.end(JSON.stringify({ error: { code: verified.ok ? 'NOT_FOUND' : verified.code } }));
      return;
    }
    const ask = handOverAsk.parse(JSON.parse(body));
    this.asks.push({ ...ask, signer: verified.signer });
    const answer = await this.deed(ask, this);
    response.setHeader('content-type', 'application/json');
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  }
}
