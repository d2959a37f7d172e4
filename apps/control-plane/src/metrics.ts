/** Figures for Prometheus: the process itself, connected agents, rentals by state, effects that wait. */
import { Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { sql } from 'kysely';
import type { MarketDatabase } from './database/market-database.ts';

/** Prints the figures; those of the database are read at that moment. */
export function makeMetrics(parts: {
  agents(): number;
  database: MarketDatabase;
}): () => Promise<{ contentType: string; text: string }> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const register = [registry];
  new Gauge({
    name: 'celium_agents_connected',
    help: 'Agents connected to this replica',
    registers: register,
    collect() {
      this.set(parts.agents());
    },
  });
  new Gauge({
    name: 'celium_rentals',
    help: 'Rentals that have not ended, by state',
    labelNames: ['state'],
    registers: register,
    async collect() {
      this.reset();
      const { rows } = await sql<{ state: string; count: bigint }>`
        select state, count(*) as count from rentals where state <> 'ended' group by state`.execute(parts.database.db);
      for (const { state, count } of rows) this.set({ state }, Number(count));
    },
  });
  new Gauge({
    name: 'celium_effects_open',
    help: 'Effects that agents have not answered yet',
    registers: register,
    async collect() {
      const { rows } = await sql<{ count: bigint }>`
        select count(*) as count from effects where done_at_ms is null`.execute(parts.database.db);
      this.set(Number(rows[0]?.count ?? 0n));
    },
  });
  return async () => ({ contentType: registry.contentType, text: await registry.metrics() });
}
