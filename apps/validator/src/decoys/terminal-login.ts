/** A login as a person makes it: the machine's own OpenSSH client, in a terminal of a drawn size, with the options of `celium ssh`. */

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { printable, type HumanVisit } from '@celium/domain';
import { knownHostsLine, pinnedSshOptions } from '@celium/sdk';
import { resolveAddress } from '../network/addresses.ts';
import type { Shell, ShellFault, ValidatorClock } from '../ports.ts';

/** Where to log in, and as whom. */
export interface LoginTarget {
  host: string;
  port: number;
  /** The pod's host key line of the grant. */
  hostKey: string;
  leaseId: string;
  /** File with the account's private key. */
  keyFile: string;
}

/** What logins need from outside. */
export interface LoginPorts {
  clock: ValidatorClock;
  allowPrivate: boolean;
  /** Folder for what OpenSSH reads of one login; removed with it. */
  folder: string;
  /** Address to come from; the machine's own by default. */
  sourceAddress?: string | undefined;
}

/** A shell that people type into. */
export interface TerminalShell extends Shell {
  /** Types without a pause between keys. */
  write(text: string): void;
}

/** A terminal in which somebody is logged in, or why nobody is. */
export type Login = (terminal: HumanVisit['terminal'], language: string) => Promise<TerminalShell | ShellFault>;

const CONNECT_TIMEOUT_SECONDS = 15;
const LOGIN_TIMEOUT_MS = 30_000;
/** After the login the shell has this long to greet; one without a prompt is taken as it is. */
const PROMPT_TIMEOUT_MS = 5_000;
const KILL_AFTER_MS = 2_000;
/** What is kept of a terminal's words, and read of OpenSSH's log, until somebody is logged in. */
const MAX_WORDS = 16_384;
/** How often OpenSSH's log is looked at meanwhile. */
const LOOK_EVERY_MS = 25;
/**
 * How OpenSSH says so at `LogLevel VERBOSE`, in a log of its own that nobody at the other end sees or writes to: banners go to the terminal. The one text of
 * the other end in it is that of a disconnect, so nothing after the beginning of one counts.
 */
const LOGGED_IN = /^Authenticated to [^\n]* using "publickey"/m;
const DISCONNECTED = /Received disconnect from/;

/**
 * The command that `script` runs in its terminal: a constant, since everything that varies reaches it as variables. `script` (of every Debian
 * and Ubuntu) is what makes a terminal; without one OpenSSH asks for a window of no columns and no rows, and no person does.
 */
const IN_TERMINAL =
  'stty rows "$CELIUM_ROWS" columns "$CELIUM_COLUMNS" iutf8 echo; exec ssh -E "$CELIUM_SSH_LOG" -F "$CELIUM_SSH_CONFIG" celium-pod';

/** Logins to one pod; each is an OpenSSH client of its own, as if a person opened another window. */
export function loginsTo(ports: LoginPorts, target: LoginTarget, signal: AbortSignal): Login {
  let made = 0;
  return async (terminal, language) => {
    made += 1;
    const folder = join(ports.folder, `${target.leaseId}-${made}`);
    let address: string;
    try {
      address = await resolveAddress(target.host, ports.allowPrivate);
    } catch (cause) {
      return unreachable(cause instanceof Error ? cause.message : String(cause));
    }
    const config = writeConfig(ports, { ...target, host: address }, folder);
    const log = join(folder, 'log');
    const child = spawn('script', ['-q', '-f', '-e', '--echo', 'always', '-c', IN_TERMINAL, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: process.env['PATH'] ?? '/usr/bin:/bin',
        SHELL: '/bin/sh',
        TERM: terminal.name,
        LANG: language,
        CELIUM_ROWS: String(terminal.rows),
        CELIUM_COLUMNS: String(terminal.columns),
        CELIUM_SSH_CONFIG: config,
        CELIUM_SSH_LOG: log,
      },
    });
    const login = untilLoggedIn(ports.clock, child, () => startOf(log), signal);
    // After whoever waits for the end has read the log.
    child.once('close', () => rmSync(folder, { recursive: true, force: true }));
    return await login;
  };
}

/** What `celium ssh` gives OpenSSH on its command line, as a file; the system's own settings come after it, as they do there. */
function writeConfig(ports: LoginPorts, target: LoginTarget, folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const knownHostsFile = join(folder, 'known_hosts');
  const alias = `celium-${target.leaseId}`;
  const pod = { hostKey: target.hostKey, alias, knownHostsFile, connectTimeoutSeconds: CONNECT_TIMEOUT_SECONDS };
  const options: Array<readonly [string, string]> = [
    ['HostName', target.host],
    ['Port', String(target.port)],
    ['User', 'root'],
    ...pinnedSshOptions(pod),
    ['IdentityFile', `"${target.keyFile}"`],
    ['LogLevel', 'VERBOSE'],
    ...(ports.sourceAddress === undefined ? [] : [['BindAddress', ports.sourceAddress] as const]),
  ];
  const own = options.map(([name, value]) => `  ${name} ${value}\n`).join('');
  writeFileSync(knownHostsFile, knownHostsLine(pod), { mode: 0o600 });
  const config = join(folder, 'config');
  writeFileSync(config, `Host celium-pod\n${own}Host *\n  Include /etc/ssh/ssh_config\n`, { mode: 0o600 });
  return config;
}

function untilLoggedIn(
  clock: ValidatorClock,
  child: ChildProcess,
  readLog: () => string,
  signal: AbortSignal,
): Promise<TerminalShell | ShellFault> {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('a child with pipes has streams');
  stdin.on('error', () => {});
  const listeners: { data: (chunk: Uint8Array) => void; close: () => void } = { data: () => {}, close: () => {} };
  let ended = false;
  child.once('close', () => {
    ended = true;
    listeners.close();
  });
  const close = (): void => {
    stdout.removeAllListeners('data');
    stdout.resume();
    stdin.end();
    if (ended) return;
    child.kill('SIGTERM');
    clock.setTimer(KILL_AFTER_MS, () => child.kill('SIGKILL'));
  };
  const shell: TerminalShell = {
    write: (text) => void (stdin.writable && stdin.write(text)),
    onData(listener) {
      listeners.data = listener;
    },
    onClose(listener) {
      if (ended) queueMicrotask(listener);
      else listeners.close = listener;
    },
    close,
  };
  return new Promise((resolve) => {
    let words = '';
    let isIn = false;
    let isOver = false;
    let cancelPrompt = (): void => {};
    let cancelLook = (): void => {};
    const settle = (answer: TerminalShell | ShellFault): void => {
      isOver = true;
      cancelLogin();
      cancelPrompt();
      cancelLook();
      signal.removeEventListener('abort', onAbort);
      listeners.close = () => {};
      listeners.data = () => {};
      if (!('onData' in answer)) close();
      resolve(answer);
    };
    const look = (): void => {
      if (isOver) return;
      if (!isIn && isLoggedIn(readLog())) {
        isIn = true;
        cancelPrompt = clock.setTimer(PROMPT_TIMEOUT_MS, () => settle(shell));
      }
      if (isIn && words.trim() !== '') return settle(shell);
      if (!isIn) cancelLook = clock.setTimer(LOOK_EVERY_MS, look);
    };
    const onAbort = (): void => settle(unreachable('the decoy was given up'));
    const cancelLogin = clock.setTimer(LOGIN_TIMEOUT_MS, () =>
      settle(unreachable(`no login within ${LOGIN_TIMEOUT_MS} ms`)),
    );
    child.once('error', (fault) => settle(unreachable(`script or ssh cannot be run: ${fault.message}`)));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    listeners.close = () => settle(faultOf(readLog(), words));
    listeners.data = (chunk) => {
      words = (words + Buffer.from(chunk).toString('utf8')).slice(-MAX_WORDS);
      if (isIn && words.trim() !== '') settle(shell);
    };
    stdout.on('data', (chunk: Uint8Array) => listeners.data(chunk));
    look();
  });
}

/** The first words of a file; none when it is not there yet. */
function startOf(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const bytes = Buffer.alloc(MAX_WORDS);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, MAX_WORDS, 0));
  } finally {
    closeSync(file);
  }
}

/** Whether OpenSSH's log says that it got in. */
export function isLoggedIn(log: string): boolean {
  const at = LOGGED_IN.exec(log)?.index ?? Infinity;
  return at < (DISCONNECTED.exec(log)?.index ?? Infinity);
}

/** What OpenSSH said when it gave up. A fingerprint in it is the key that it saw instead of the grant's. */
function faultOf(log: string, terminal: string): ShellFault {
  const seen = /key sent by the remote host is\s+SHA256:([A-Za-z0-9+/]{43})/.exec(log)?.[1];
  if (seen !== undefined && log.includes('Host key verification failed'))
    return { kind: 'host-key-mismatch', seenHostKeyHash: Buffer.from(seen, 'base64').toString('hex') };
  const words = log.trim() === '' ? terminal : log;
  const last = words.trim().split('\n').at(-1) ?? '';
  return unreachable(last === '' ? 'ssh ended without a word' : `ssh: ${last}`);
}

function unreachable(words: string): ShellFault {
  return { kind: 'unreachable', message: printable(words, 200) };
}
