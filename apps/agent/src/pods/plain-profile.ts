/**
 * The runtime profile `plain`: exactly what a pod may do on the host, as the body of the engine's "create container".
 *
 * Nothing of a pod spec but image, environment and port numbers reaches it. The golden file beside it shows the whole.
 */

/** Capabilities that SSH, sftp and package installation need (tried one by one); all others are dropped. */
const CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETGID',
  'SETUID',
  'SYS_CHROOT',
] as const;

/** Where things of the machine are seen inside every pod. */
export const POD_PATHS = { lease: '/run/celium', tools: '/.celium', volume: '/workspace' } as const;

export const LABELS = { agent: 'org.celium.agent', lease: 'org.celium.lease', fence: 'org.celium.fence' } as const;

/** What a pod may use. */
export interface PodLimits {
  nanoCpus: number;
  memoryBytes: number;
  pids: number;
}

/** What one pod is made of. */
export interface PodPlan {
  leaseId: string;
  fence: number;
  /** The agent's machine key, hex: containers of another agent on the same engine are left alone. */
  machineKey: string;
  /** Id of the image. */
  image: string;
  env: Readonly<Record<string, string>>;
  ports: ReadonlyArray<{ pod: number; host: number }>;
  /** Address on which ports are published; empty for all. */
  hostIp: string;
  network: string;
  limits: PodLimits;
  /** UUIDs of the leased GPUs, and of no others; empty on a machine without. */
  gpus: readonly string[];
  /** Folder on the host with the host key and authorized_keys; null when they are copied in. */
  leaseFolder: string | null;
  /** Folder on the host with the prover, or null. */
  toolsFolder: string | null;
  /** Name of the volume, or null. */
  volume: string | null;
}

/** The body of "create container", and the name to create it under. */
export interface PodContainer {
  name: string;
  body: Record<string, unknown>;
}

const MEBIBYTE = 1024 * 1024;
const MIN_MEMORY_BYTES = 256 * MEBIBYTE;
const PIDS_PER_MACHINE = 8_192;
const MIN_PIDS = 512;

/** The limits of a pod that leases `units` of the machine's `allUnits`: that share of what the machine has for pods. */
export function limitsOfShare(
  units: number,
  allUnits: number,
  host: { cpuCores: number; memoryBytes: number },
): PodLimits {
  const share = units / allUnits;
  return {
    nanoCpus: Math.floor(host.cpuCores * share * 100) * 10_000_000,
    memoryBytes: Math.max(MIN_MEMORY_BYTES, Math.floor((host.memoryBytes * share) / MEBIBYTE) * MEBIBYTE),
    pids: Math.max(MIN_PIDS, Math.floor(PIDS_PER_MACHINE * share)),
  };
}

/** The name under which the container of a lease is created; it makes creation repeatable. */
export function podName(leaseId: string): string {
  return `celium-${leaseId}`;
}

/** The container of a pod under the profile `plain`. */
export function plainProfile(plan: PodPlan): PodContainer {
  const portKeys = plan.ports.map(({ pod }) => `${pod}/tcp`);
  return {
    name: podName(plan.leaseId),
    body: {
      Image: plan.image,
      Hostname: `pod-${plan.leaseId.slice(0, 8)}`,
      Env: Object.entries(plan.env).map(([name, value]) => `${name}=${value}`),
      Labels: {
        [LABELS.agent]: plan.machineKey,
        [LABELS.lease]: plan.leaseId,
        [LABELS.fence]: String(plan.fence),
      },
      ExposedPorts: Object.fromEntries(portKeys.map((key) => [key, {}])),
      HostConfig: {
        NetworkMode: plan.network,
        PortBindings: Object.fromEntries(
          plan.ports.map(({ pod, host }) => [`${pod}/tcp`, [{ HostIp: plan.hostIp, HostPort: String(host) }]]),
        ),
        Mounts: mountsOf(plan),
        DeviceRequests: gpusOf(plan),
        Privileged: false,
        CapDrop: ['ALL'],
        CapAdd: [...CAPABILITIES],
        SecurityOpt: ['no-new-privileges:true'],
        Memory: plan.limits.memoryBytes,
        // Equal to Memory: no swap.
        MemorySwap: plan.limits.memoryBytes,
        NanoCpus: plan.limits.nanoCpus,
        PidsLimit: plan.limits.pids,
        OomScoreAdj: 500,
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
        RestartPolicy: { Name: 'no' },
      },
    },
  };
}

/** By UUID, never by index or `all`: an index may change at a reboot. Needs NVIDIA's container toolkit, or the start fails. */
function gpusOf(plan: PodPlan): object[] {
  if (plan.gpus.length === 0) return [];
  return [{ Driver: 'nvidia', DeviceIDs: [...plan.gpus], Capabilities: [['gpu']] }];
}

function mountsOf(plan: PodPlan): object[] {
  const readOnly = (Source: string, Target: string): object => ({ Type: 'bind', Source, Target, ReadOnly: true });
  const mounts: object[] = [];
  if (plan.leaseFolder !== null) mounts.push(readOnly(plan.leaseFolder, POD_PATHS.lease));
  if (plan.toolsFolder !== null) mounts.push(readOnly(plan.toolsFolder, POD_PATHS.tools));
  if (plan.volume !== null) mounts.push({ Type: 'volume', Source: plan.volume, Target: POD_PATHS.volume });
  return mounts;
}
