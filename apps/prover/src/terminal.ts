/** Standard input and output as the stream of a session: raw where they are a terminal. */
import type { ReadStream } from 'node:tty';
import type { ProverStream } from './session.ts';

/** Puts the terminal, where there is one, into raw mode and returns the stream over it. */
export function terminalStream(input: NodeJS.ReadStream, output: NodeJS.WriteStream): ProverStream {
  if (input.isTTY) (input as ReadStream).setRawMode(true);
  return {
    write: (text) => void output.write(text),
    onData: (listener) => void input.on('data', listener),
    onEnd: (listener) => {
      input.on('end', listener);
      input.on('close', listener);
      output.on('error', listener);
    },
  };
}
