/** What tests, simulators and benchmarks may use of the market: the whole of it, with every port as an argument. */
export { openMarket, type Market, type MarketOptions } from './market.ts';
export type { Clock, MarketPorts, PermitReader, Probe, ProbeAnswer, Randomness } from './ports.ts';
export { migrateDatabase } from './database/migrate.ts';
