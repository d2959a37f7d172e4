/** Accounts for every container on the host: of open leases, ours without one, another agent's, or none of ours. The last are counted only. */
import { callEngine } from '../engine/engine-api.ts';
import { LABELS } from '../pods/plain-profile.ts';

/** Whose a container is. */
export type ContainerOwner =
  | { by: 'lease'; leaseId: string }
  /** With our label, and no open lease explains it. */
  | { by: 'leak' }
  | { by: 'other-agent' }
  | { by: 'foreign' };

/** A container of the host. */
export interface HostContainer {
  id: string;
  owner: ContainerOwner;
  running: boolean;
}

const LIST_TIMEOUT_MS = 15_000;
const RUNNING = new Set(['running', 'paused', 'restarting']);

/** Every container that the engine has, running or not. Throws when the engine does not answer. */
export async function listContainers(
  socket: string,
  machineKey: string,
  openLeases: ReadonlySet<string>,
): Promise<HostContainer[]> {
  const answer = await callEngine(socket, 'GET', '/containers/json?all=1', { timeoutMs: LIST_TIMEOUT_MS });
  if (answer.status !== 200) throw new Error(`the engine answered ${answer.status} when asked for its containers`);
  const listed = JSON.parse(answer.body) as Array<{ Id: string; State: string; Labels: Record<string, string> | null }>;
  return listed.map(({ Id, State, Labels }) => ({
    id: Id,
    owner: ownerOf(Labels ?? {}, machineKey, openLeases),
    running: RUNNING.has(State),
  }));
}

/** How many there are of each. */
export function countContainers(
  containers: readonly HostContainer[],
): Record<'leased' | 'leaked' | 'otherAgents' | 'foreign' | 'foreignRunning', number> {
  const count = (is: (one: HostContainer) => boolean): number => containers.filter(is).length;
  return {
    leased: count(({ owner }) => owner.by === 'lease'),
    leaked: count(({ owner }) => owner.by === 'leak'),
    otherAgents: count(({ owner }) => owner.by === 'other-agent'),
    foreign: count(({ owner }) => owner.by === 'foreign'),
    foreignRunning: count(({ owner, running }) => owner.by === 'foreign' && running),
  };
}

function ownerOf(labels: Record<string, string>, machineKey: string, openLeases: ReadonlySet<string>): ContainerOwner {
  const agent = labels[LABELS.agent];
  if (agent === undefined) return { by: 'foreign' };
  if (agent !== machineKey) return { by: 'other-agent' };
  const leaseId = labels[LABELS.lease] ?? '';
  return openLeases.has(leaseId) ? { by: 'lease', leaseId } : { by: 'leak' };
}
