/** The agent: runs on a provider's machine, grants leases on its units, and keeps pods equal to leases. */
import { init } from './program/init.ts';
import { USAGE, parseCommand } from './program/options.ts';
import { Output } from './program/output.ts';
import { run } from './program/run.ts';

// Leases, keys and logs are the owner's alone; what pods must read is opened to them one by one.
process.umask(0o077);

async function main(argv: readonly string[]): Promise<number> {
  const output = new Output(argv.includes('--json'));
  try {
    const command = parseCommand(argv);
    if (command.name === 'help') process.stdout.write(USAGE);
    else if (command.name === 'init') await init(command.options, output);
    else await run(command.options, output);
    return 0;
  } catch (fault) {
    return output.fault(fault);
  }
}

// Streams of the engine or timers may still be open: the agent ends when it has said why.
process.exit(await main(process.argv.slice(2)));
