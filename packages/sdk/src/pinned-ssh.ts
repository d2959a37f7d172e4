/** The options with which an OpenSSH client talks to one pod and to nothing else. Everyone who logs in uses these, so that no login looks different. */

/** A pod whose host key is known from its grant. */
export interface PinnedPod {
  /** `ssh-ed25519 AAAA...`: the only host key that is accepted. */
  hostKey: string;
  /** Name of the pod in its known_hosts file; two pods behind one address and port are still two names. */
  alias: string;
  /** A file that holds this pod's line and no other. */
  knownHostsFile: string;
  /** Give up connecting after this many seconds. */
  connectTimeoutSeconds: number;
}

/** The line of a known_hosts file. */
export function knownHostsLine({ alias, hostKey }: Pick<PinnedPod, 'alias' | 'hostKey'>): string {
  return `${alias} ${hostKey}\n`;
}

/**
 * Names and values of options. The pinned key is the only one that counts: no other known_hosts file, no questions, no learning of new keys,
 * and no shared connection that was made under another key.
 */
export function pinnedSshOptions(pod: PinnedPod): Array<readonly [name: string, value: string]> {
  return [
    ['UserKnownHostsFile', quotePath(pod.knownHostsFile)],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['StrictHostKeyChecking', 'yes'],
    ['HostKeyAlias', pod.alias],
    ['HostKeyAlgorithms', algorithmsOf(pod.hostKey)],
    ['CheckHostIP', 'no'],
    ['UpdateHostKeys', 'no'],
    ['VerifyHostKeyDNS', 'no'],
    ['ControlPath', 'none'],
    ['PasswordAuthentication', 'no'],
    ['KbdInteractiveAuthentication', 'no'],
    ['ConnectTimeout', String(pod.connectTimeoutSeconds)],
  ];
}

/** OpenSSH splits this option at spaces and reads quotes and percent signs itself. */
function quotePath(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`;
}

function algorithmsOf(hostKey: string): string {
  const [type = ''] = hostKey.split(' ');
  return type === 'ssh-rsa' ? 'rsa-sha2-512,rsa-sha2-256' : type;
}
