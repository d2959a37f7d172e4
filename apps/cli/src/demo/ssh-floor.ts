/**
 * The floor of "rent to SSH": the same container made by the bare Engine API, and the same login. The running pod is the template (image, limits,
 * network, mounts, and so the same host key); only the published port differs.
 */

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CeliumError } from '@celium/contract';
import type { PinnedTarget } from '../ssh/pinned-target.ts';
import { askEngine } from '../engine/containers.ts';
import { findFreePort } from './free-ports.ts';
import { runQuietSsh } from './quiet-ssh.ts';

const BANNER_TIMEOUT_MS = 30_000;

interface InspectedContainer {
  Image: string;
  Config: { Env: string[] | null; ExposedPorts?: Record<string, object> };
  HostConfig: Record<string, unknown>;
}

/** Milliseconds from "create" to the end of `ssh ... true`. The container is removed in any case. */
export async function measureSshFloor(
  socketPath: string,
  podContainerId: string,
  pod: PinnedTarget,
  ssh: { knownHostsFile: string; identityFile: string },
): Promise<number> {
  const template = await askEngine<InspectedContainer>(socketPath, 'GET', `/containers/${podContainerId}/json`);
  const port = await findFreePort();
  const body = {
    Image: template.Image,
    Env: template.Config.Env ?? [],
    ExposedPorts: { '22/tcp': {} },
    HostConfig: { ...template.HostConfig, PortBindings: { '22/tcp': [{ HostIp: pod.host, HostPort: String(port) }] } },
  };
  const startedMs = performance.now();
  const { Id: id } = await askEngine<{ Id: string }>(socketPath, 'POST', '/containers/create', body);
  try {
    await askEngine(socketPath, 'POST', `/containers/${id}/start`);
    await bannerOf(pod.host, port);
    await runQuietSsh({ ...pod, port }, ssh, ['true']);
    return performance.now() - startedMs;
  } finally {
    await askEngine(socketPath, 'DELETE', `/containers/${id}?force=1`);
  }
}

/** Returns once the SSH server greets. */
async function bannerOf(host: string, port: number): Promise<void> {
  const deadline = performance.now() + BANNER_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (await greets(host, port)) return;
    await sleep(2);
  }
  throw new CeliumError('TIMEOUT', `The bare container did not answer SSH on port ${port}.`);
}

async function greets(host: string, port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 });
    const finish = (greeted: boolean): void => {
      socket.destroy();
      resolve(greeted);
    };
    socket.once('data', () => finish(true));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('timeout', () => finish(false));
  });
}
