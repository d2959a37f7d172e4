/** The prover: answers one validator on standard input and output, or measures the machine with `--self-test`. */
import { isMainThread } from 'node:worker_threads';
import { cpuDigests, defaultThreads } from './cpu/device.ts';
import { serveWorker } from './cpu/worker.ts';
import { treeDevice } from './device.ts';
import { isDiskWorker, serveDiskWorker } from './machine/disk-worker.ts';
import { runMachineSession } from './machine/program.ts';
import { runSelfTest } from './self-test.ts';
import { serveSession } from './session.ts';
import { terminalStream } from './terminal.ts';

const USAGE = `Usage: prover.mjs                      answer a validator on standard input and output
       prover.mjs --machine            answer a validator's machine check: disk, ports, files
       prover.mjs --self-test [--json] measure this machine and print the rate to declare
`;

/** A prover that a validator forgot ends by itself. */
const MAX_SESSION_MS = 30 * 60 * 1000;

async function main(args: readonly string[]): Promise<number> {
  const source = cpuDigests({ workerUrl: new URL(import.meta.url) });
  if (args.length === 0) {
    setTimeout(() => process.exit(1), MAX_SESSION_MS).unref();
    const end = await serveSession(terminalStream(process.stdin, process.stdout), treeDevice(source));
    await source.close();
    return end === 'failed' ? 1 : 0;
  }
  if (args.length === 1 && args[0] === '--machine') return runMachineSession(import.meta.url);
  if (args[0] !== '--self-test' || args.some((word) => word !== '--self-test' && word !== '--json')) {
    process.stderr.write(USAGE);
    return 2;
  }
  const report = await runSelfTest(source, defaultThreads());
  if (args.includes('--json')) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    process.stdout.write(
      `${report.device}, ${report.threads} threads: ${report.rateUnitsPerSecond} units/s measured, `,
    );
    process.stdout.write(`declare ${report.declaredRateUnitsPerSecond}; answers ${report.ok ? 'exact' : 'WRONG'}\n`);
  }
  return report.ok ? 0 : 1;
}

if (isMainThread) {
  const code = await main(process.argv.slice(2));
  // The validator's `end` or our last words must leave the process before the threads are torn down.
  process.stdout.write('', () => process.exit(code));
} else if (isDiskWorker()) {
  serveDiskWorker();
} else {
  serveWorker();
}
