/** Takes a machine off the market: the agent ends, its pods end, nothing of it stays in the engine. */

import { setTimeout as sleep } from 'node:timers/promises';
import { CeliumError } from '@celium/contract';
import { listContainers } from '../engine/containers.ts';
import { removeTraces } from '../engine/traces.ts';
import { isCliProcess } from '../programs/alive.ts';
import type { MachineRecord } from './record.ts';

export interface LeaveResult {
  agentStopped: boolean;
  podsEnded: number;
}

/** Ends everything that the record names. Throws `CONFLICT` when pods run and `mayEndPods` says no; nothing has changed then. */
export async function leaveMachine(options: {
  state: string;
  record: MachineRecord | null;
  stopWaitMs: number;
  nowMs: number;
  mayEndPods: (count: number) => Promise<boolean>;
}): Promise<LeaveResult> {
  const { record } = options;
  if (record === null) return { agentStopped: false, podsEnded: 0 };
  const pods = await listContainers(record.socket, record.machineKey);
  if (pods.length > 0 && !(await options.mayEndPods(pods.length))) {
    throw new CeliumError(
      'CONFLICT',
      `${pods.length === 1 ? 'A pod runs' : `${pods.length} pods run`} on this machine; nothing was stopped.`,
      {
        details: { remedy: 'Wait until they end, or give --yes.' },
      },
    );
  }
  // Pods first, while the agent can still tell the markets that they are gone.
  await removeTraces(record.socket, record.machineKey);
  const running = isCliProcess(record.pid);
  if (running) {
    await sleep(pods.length > 0 ? 1_000 : 0);
    process.kill(record.pid, 'SIGTERM');
    const deadline = performance.now() + options.stopWaitMs;
    while (isCliProcess(record.pid)) {
      if (performance.now() > deadline)
        throw new CeliumError('TIMEOUT', `The agent (process ${record.pid}) does not end.`);
      await sleep(200);
    }
  }
  await removeTraces(record.socket, record.machineKey);
  return { agentStopped: running, podsEnded: pods.length };
}
