/** Questions to a person at a terminal; a cancelled question (Ctrl-C) ends the command. */

import { CeliumError } from '@celium/contract';

export interface Asker {
  confirm(message: string): Promise<boolean>;
  text(message: string, initial?: string): Promise<string>;
  password(message: string): Promise<string>;
}

/** Questions by clack, written to stderr so that stdout stays clean. */
export const terminalAsker: Asker = {
  async confirm(message) {
    const { confirm, isCancel } = await import('@clack/prompts');
    const answer = await confirm({ message, output: process.stderr });
    return isCancel(answer) ? cancel() : answer;
  },
  async text(message, initial) {
    const { isCancel, text } = await import('@clack/prompts');
    const answer = await text({
      message,
      output: process.stderr,
      ...(initial === undefined ? {} : { initialValue: initial }),
    });
    return isCancel(answer) ? cancel() : String(answer ?? '');
  },
  async password(message) {
    const { isCancel, password } = await import('@clack/prompts');
    const answer = await password({ message, output: process.stderr });
    return isCancel(answer) ? cancel() : String(answer ?? '');
  },
};

function cancel(): never {
  throw new CeliumError('USAGE', 'Cancelled: nothing was done.');
}
