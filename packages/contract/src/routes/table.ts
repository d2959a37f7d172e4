/** All routes of a market, in one table. */

import { accountRoutes } from './accounts.ts';
import { marketRoutes } from './market.ts';

export const ROUTES = { ...accountRoutes, ...marketRoutes };

export type Routes = typeof ROUTES;
export type OperationId = keyof Routes;
