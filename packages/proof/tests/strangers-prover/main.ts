/** The stranger's prover as a program: a challenge on stdin, its answers on stdout, like the `prover.mjs` of the tools folder. */
import { StrangersProver } from './prover.ts';

const prover = new StrangersProver(
  (line) => process.stdout.write(line),
  () => process.stdin.destroy(),
);
process.stdin.on('data', (chunk: Buffer) => prover.receive(chunk));
prover.open();
