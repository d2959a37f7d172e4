/** Docker keeps the promises that the reconciler counts on. */
import { randomBytes } from 'node:crypto';
import { ensureBaseImage } from '../engine/base-image.ts';
import { callEngine } from '../engine/engine-api.ts';
import { SOCKET } from '../testing/agent-process.ts';
import { DockerEngine } from './docker-engine.ts';
import { describeEngine } from './engine-conformance.ts';

describeEngine('docker', async () => {
  const machineKey = randomBytes(32).toString('hex');
  const { tag } = await ensureBaseImage({ socket: SOCKET, cacheDir: '/var/lib/celium/cache' });
  return {
    engine: new DockerEngine(SOCKET, machineKey),
    machineKey,
    image: tag,
    hostPort: 30_500 + (randomBytes(1)[0] ?? 0),
    kill: async (id) => void (await callEngine(SOCKET, 'POST', `/containers/${id}/kill`, { timeoutMs: 20_000 })),
  };
});
