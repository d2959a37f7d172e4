/** The one line that a validator types into a pod's interactive shell to start a prover. */

/** Where the prover lies in every pod: the tools folder that agents mount read-only. */
export const PROVER_IN_POD = '/.celium/prover';

/**
 * Composes the line from an argument vector of plain paths; throws a TypeError for an argument that a shell would read as anything but a word.
 * The terminal goes raw first, so that neither echo nor line editing touches the frames.
 */
export function proverShellCommand(argv: readonly string[]): string {
  if (argv.length === 0) throw new TypeError('an empty command starts nothing');
  for (const word of argv) {
    if (!/^[A-Za-z0-9_./=:@+-]+$/.test(word)) throw new TypeError('a prover is started with plain words only');
  }
  return `stty raw -echo; exec ${argv.join(' ')}\n`;
}
