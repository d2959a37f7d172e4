/** The engine in memory keeps the same promises as the real one. */
import { MemoryEngine } from '../testing/memory-engine.ts';
import { describeEngine } from './engine-conformance.ts';

describeEngine('memory', async () => {
  let nowMs = 1_000;
  const engine = new MemoryEngine(() => (nowMs += 1));
  return {
    engine,
    machineKey: 'ab'.repeat(32),
    image: 'celium/base:here',
    hostPort: 40_000,
    kill: async (id) => engine.die(id, 137),
  };
});
