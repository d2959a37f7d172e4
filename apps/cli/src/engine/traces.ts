/** Removes what an agent left in the engine: containers, networks, volumes that carry its machine key. */

import { AGENT_LABEL, askEngine, listContainers } from './containers.ts';

/** Removes all of it. Throws when the engine does not answer. */
export async function removeTraces(socketPath: string, machineKey: string): Promise<void> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`${AGENT_LABEL}=${machineKey}`] }));
  for (const { id } of await listContainers(socketPath, machineKey)) {
    await askEngine(socketPath, 'DELETE', `/containers/${id}?force=1&v=1`).catch(() => {});
  }
  const networks = await askEngine<Array<{ Id: string }>>(socketPath, 'GET', `/networks?filters=${filters}`);
  for (const { Id } of networks) await askEngine(socketPath, 'DELETE', `/networks/${Id}`).catch(() => {});
  const { Volumes } = await askEngine<{ Volumes: Array<{ Name: string }> | null }>(
    socketPath,
    'GET',
    `/volumes?filters=${filters}`,
  );
  for (const { Name } of Volumes ?? []) {
    await askEngine(socketPath, 'DELETE', `/volumes/${encodeURIComponent(Name)}`).catch(() => {});
  }
}
