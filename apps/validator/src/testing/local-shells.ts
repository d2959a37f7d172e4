/** Shells for tests: each is a prover as a local process with piped streams, behind the port that SSH has in the real program. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Shell, ShellConnection, ShellPort } from '../ports.ts';
import { hashOfHostKeyLine } from '../shell/ssh-shell.ts';
import type { Cheat } from './cheating-prover.ts';

const PROVER = fileURLToPath(new URL('./cheating-prover.ts', import.meta.url));

export interface LocalShellOptions {
  cheat?: Cheat;
  /** Arguments of Node for another program than the test's prover. */
  program?: readonly string[];
  /** The host key line that the pod shows when it is not the one of the grant. */
  shownHostKey?: string;
  /** Called when a shell is opened. */
  onShell?: () => void;
}

/** Shells that start the test's prover whatever command is typed. */
export function createLocalShells(options: LocalShellOptions = {}): ShellPort & { open: Set<Shell> } {
  const open = new Set<Shell>();
  return {
    open,
    newClientKey: () => ({ publicLine: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZpeHR1cmU', privateKey: '' }),
    async connect(target) {
      const shown = options.shownHostKey ?? target.hostKey;
      const hash = hashOfHostKeyLine(shown);
      if (shown !== target.hostKey) return { kind: 'host-key-mismatch', seenHostKeyHash: hash };
      const shells: Shell[] = [];
      const connection: ShellConnection = {
        hostKeyHash: hash,
        async openShell() {
          options.onShell?.();
          const shell = startProgram(options.program ?? [PROVER, options.cheat ?? 'none'], () => open.delete(shell));
          open.add(shell);
          shells.push(shell);
          return shell;
        },
        close: () => shells.forEach((shell) => shell.close()),
      };
      return connection;
    },
  };
}

function startProgram(program: readonly string[], onEnd: () => void): Shell {
  const child = spawn(process.execPath, [...program], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.on('error', () => {});
  child.on('close', onEnd);
  let typed = false;
  return {
    write(text) {
      // The first line is the command that a real shell would run.
      if (typed) child.stdin.write(text);
      typed = true;
    },
    onData: (listener) => void child.stdout.on('data', listener),
    onClose: (listener) => void child.on('close', listener),
    close() {
      child.stdout.removeAllListeners('data');
      child.stdout.destroy();
      child.kill('SIGKILL');
    },
  };
}
