/** Two vitest projects: `unit` beside the code, in parallel; `e2e` in tests/, each file with programs, ports and pods of its own. */
import { defineConfig } from 'vitest/config';

if (Number(process.versions.node.split('.')[0]) < 24) {
  throw new Error(
    `tests need Node 24 or newer, this is ${process.version}: run ./celium test, or put Node 24 on the path`,
  );
}

const databaseSetup = './apps/control-plane/src/database/testing.ts';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{packages,apps,tools,bench}/**/*.test.ts', 'tests/{attacks,economy}/**/*.test.ts'],
          exclude: ['**/node_modules/**'],
          globalSetup: [databaseSetup],
          // Half of these tests wait for Docker, PostgreSQL or a program: two files at a time keep two cores busy.
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['tests/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'tests/{attacks,economy}/**'],
          globalSetup: [databaseSetup],
          // One at a time: their proofs have deadlines. Two at once save an eighth of the time and press on them.
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
