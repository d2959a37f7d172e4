/** One line on stderr that moves while something is waited for, with the time it has taken; nothing where stderr is no terminal. */

import type { CliContext } from '../context.ts';
import { printable } from '@celium/domain';
import { formatDuration } from './format.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
/** Erases the line and goes to its start. */
const CLEAR_LINE = '\r\u001b[2K';

export interface Spinner {
  /** Replaces the words. */
  say(detail: string): void;
  /** Erases the line. */
  stop(): void;
}

/** Terminals that do not know their width say 0. */
function widthOf(columns: number | undefined): number {
  return columns === undefined || columns < 20 ? 100 : columns;
}

/** Starts a line for `name`. The caller must stop it. */
export function startSpinner(context: CliContext, name: string): Spinner {
  const { stderr } = context.process;
  if (stderr.isTTY !== true) return { say: () => {}, stop: () => {} };
  const startedMs = performance.now();
  let detail = '';
  let frame = 0;
  const draw = (): void => {
    const elapsedMs = performance.now() - startedMs;
    const time = elapsedMs > 2000 ? ` ${formatDuration(elapsedMs)}` : '';
    const text = `${FRAMES[frame++ % FRAMES.length]} ${name}${detail === '' ? '' : `  ${detail}`}${time}`;
    stderr.write(CLEAR_LINE + text.slice(0, widthOf(stderr.columns) - 1));
  };
  const timer = setInterval(draw, FRAME_MS);
  draw();
  return {
    say(next) {
      detail = printable(next);
    },
    stop() {
      clearInterval(timer);
      stderr.write(CLEAR_LINE);
    },
  };
}
