/** The route of the public log. */
import type { Handlers } from '../http/handlers.ts';
import type { PublicLog } from './log.flow.ts';

export function logRoutes(log: PublicLog): Pick<Handlers, 'readLog'> {
  return { readLog: async ({ query }) => log.read(query.from, query.limit) };
}
