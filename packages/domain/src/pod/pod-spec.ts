/** What a renter may write in a pod spec: an allow-list. Nothing in it reaches the host, its devices or the runtime profile. */

/** The pod base image by its public name; each agent maps it to the copy that it built and checked itself. */
export const BASE_IMAGE = 'celium/base:bookworm';

/** The pod spec as data; everything that is not here cannot be asked for. */
export interface PodSpec {
  /** Image reference: `name:tag`, `name@sha256:...` or, for an image that the agent built itself, its id. */
  image: string;
  /** Environment of the pod's first process. */
  env: Record<string, string>;
  /** Ports inside the pod to publish besides 22; TCP. */
  ports: number[];
  /** Size of the pod's volume in bytes, or 0 for none. */
  volumeBytes: number;
}

export const MAX_ENV_ENTRIES = 100;
export const MAX_ENV_VALUE_LENGTH = 8_192;
export const MAX_POD_PORTS = 16;

/** Environment variables that would widen what the container runtime hands to a pod. */
const RESERVED_ENV = /^(NVIDIA_|CUDA_VISIBLE_DEVICES$|LD_|CELIUM_|DOCKER_|SSH_ORIGINAL)/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** A repository in lower case with an optional registry port, then tag or digest; only a tag may have upper case. */
const IMAGE = /^[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$/;
const MAX_IMAGE_LENGTH = 255;

export type PodSpecFault =
  | { field: 'image'; why: string }
  | { field: 'env'; why: string }
  | { field: 'ports'; why: string }
  | { field: 'volumeBytes'; why: string };

/** The first thing wrong with a spec, or null. */
export function faultOfPodSpec(spec: PodSpec): PodSpecFault | null {
  if (spec.image.length > MAX_IMAGE_LENGTH || !IMAGE.test(spec.image))
    return { field: 'image', why: 'an image is written name:tag or name@sha256:digest, the name in lower case' };
  const env = Object.entries(spec.env);
  if (env.length > MAX_ENV_ENTRIES) return { field: 'env', why: `at most ${MAX_ENV_ENTRIES} variables` };
  for (const [name, value] of env) {
    if (!ENV_NAME.test(name)) return { field: 'env', why: `${JSON.stringify(name)} is no variable name` };
    if (RESERVED_ENV.test(name)) return { field: 'env', why: `${name} is set by the machine` };
    if (value.length > MAX_ENV_VALUE_LENGTH)
      return { field: 'env', why: `${name} is longer than ${MAX_ENV_VALUE_LENGTH} characters` };
    if (value.includes('\0')) return { field: 'env', why: `${name} holds a NUL byte` };
  }
  if (spec.ports.length > MAX_POD_PORTS) return { field: 'ports', why: `at most ${MAX_POD_PORTS} ports` };
  if (new Set(spec.ports).size !== spec.ports.length) return { field: 'ports', why: 'a port is named twice' };
  const badPort = spec.ports.find((port) => !Number.isInteger(port) || port < 1 || port > 65_535 || port === 22);
  if (badPort !== undefined)
    return { field: 'ports', why: `${badPort} cannot be published (1 to 65535; 22 is published anyway)` };
  if (!Number.isSafeInteger(spec.volumeBytes) || spec.volumeBytes < 0)
    return { field: 'volumeBytes', why: 'a size in bytes of at least 0' };
  return null;
}
