/** A real HTTP server that answers as a market's API would, route by route, for tests of what the CLI sends and shows. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorBody, ROUTES, type CeliumError, type OperationId, type Route } from '@celium/contract';

export interface SeenCall {
  operationId: OperationId;
  params: Record<string, string>;
  query: Record<string, string>;
  body: unknown;
  apiKey: string | null;
}

/** What to answer to a call, or the error to refuse it with. Whatever is answered must be of the route's form. */
export type Answers = Partial<Record<OperationId, (call: SeenCall) => unknown>>;

export interface MarketServer {
  url: string;
  calls: SeenCall[];
  close(): Promise<void>;
}

/** Starts a server on a free port. A route without an answer is 404. */
export async function startMarketServer(answers: Answers): Promise<MarketServer> {
  const calls: SeenCall[] = [];
  const server: Server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://market');
      const found = matchRoute(request.method ?? '', url.pathname);
      const reply = (status: number, value: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(value));
      };
      const answer = found === null ? undefined : answers[found.operationId];
      if (found === null || answer === undefined) {
        reply(404, { error: { code: 'NOT_FOUND', message: 'no such route', remedy: '' } });
        return;
      }
      const call: SeenCall = {
        operationId: found.operationId,
        params: found.params,
        query: Object.fromEntries(url.searchParams),
        body: text === '' ? undefined : JSON.parse(text),
        apiKey: request.headers.authorization?.replace(/^Bearer /, '') ?? null,
      };
      calls.push(call);
      try {
        const route = ROUTES[found.operationId] as unknown as Route;
        reply(route.status, route.reply.parse(answer(call)));
      } catch (fault) {
        const body = errorBody(fault);
        reply((fault as CeliumError).code === undefined ? 500 : 409, body);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function matchRoute(method: string, path: string): { operationId: OperationId; params: Record<string, string> } | null {
  for (const [operationId, route] of Object.entries(ROUTES)) {
    if (route.method !== method) continue;
    const names = [...route.path.matchAll(/:([A-Za-z]+)/g)].map((match) => match[1] as string);
    const match = new RegExp(`^${route.path.replace(/:[A-Za-z]+/g, '([^/]+)')}$`).exec(path);
    if (match === null) continue;
    const params = Object.fromEntries(
      names.map((name, index) => [name, decodeURIComponent(match[index + 1] as string)]),
    );
    return { operationId: operationId as OperationId, params };
  }
  return null;
}
