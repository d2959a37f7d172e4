/** A network namespace of our own, joined to the host by one pair of virtual interfaces: another machine as far as the network can tell. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;
/** Of the range that is set aside for measurements between networks, so nobody's route is taken. */
const NETWORK = '198.18';

/** A namespace and the way to it. */
export interface Namespace {
  /** Its address, as the host reaches it. */
  address: string;
  /** The host's address, as the namespace reaches it. */
  host: string;
  /** Puts a command into it. */
  within: string[];
  /** Delays every packet on its way by this much in each direction, in the kernel; false where the kernel cannot. */
  shape(delayMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Makes a namespace; null where this account or this kernel may not, with the reason said. */
export async function openNamespace(): Promise<Namespace | { refused: string }> {
  const id = `${process.pid % 10_000}${Math.floor(Math.random() * 90 + 10)}`;
  const name = `celium-${id}`;
  const [here, there] = [`ch${id}`, `ct${id}`];
  const subnet = `${NETWORK}.${Math.floor(Math.random() * 250) + 1}`;
  const close = async (): Promise<void> => {
    await ip('link', 'del', here).catch(() => {});
    await ip('netns', 'del', name).catch(() => {});
  };
  try {
    await ip('netns', 'add', name);
    await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there);
    await ip('link', 'set', there, 'netns', name);
    await ip('addr', 'add', `${subnet}.1/30`, 'dev', here);
    await ip('link', 'set', here, 'up');
    await ip('-n', name, 'addr', 'add', `${subnet}.2/30`, 'dev', there);
    await ip('-n', name, 'link', 'set', there, 'up');
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  } catch (cause) {
    await close();
    const words = cause instanceof Error ? cause.message : String(cause);
    return { refused: `no network namespace could be made: ${words.split('\n').join(' ').slice(0, 200)}` };
  }
  return {
    address: `${subnet}.2`,
    host: `${subnet}.1`,
    within: ['ip', 'netns', 'exec', name],
    async shape(delayMs) {
      const netem = ['root', 'netem', 'delay', `${Math.round(delayMs * 1_000)}us`];
      try {
        await tc('qdisc', 'replace', 'dev', here, ...netem);
        await tc('-n', name, 'qdisc', 'replace', 'dev', there, ...netem);
        return true;
      } catch {
        return false;
      }
    },
    close,
  };
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args, { timeout: TIMEOUT_MS });
}

async function tc(...args: string[]): Promise<void> {
  await run('tc', args, { timeout: TIMEOUT_MS });
}
