/** `main.ts prepare`: makes engine, base image and tools folder ready, and tells it as JSON lines or as text. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBaseImage } from './base-image.ts';
import { defaultEngineDir, ensureEngine } from './ensure.ts';
import { EngineFailure } from './failure.ts';
import { formatStep, type Progress } from './progress.ts';

const usage = `usage: main.ts prepare [--docker SOCKET] [--state DIR] [--json]

  --docker SOCKET   use the engine behind this socket (default: DOCKER_HOST, then /var/run/docker.sock)
  --state DIR       where an engine of our own and the image cache live (default: /var/lib/celium)
  --json            one JSON object per line: steps, then {"event":"ready",...} or {"event":"error",...}
`;

process.exitCode = await prepare(process.argv.slice(2));

async function prepare(argv: string[]): Promise<number> {
  let options: { docker?: string; state?: string; json?: boolean; help?: boolean };
  let positionals: string[];
  try {
    ({ values: options, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        docker: { type: 'string' },
        state: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (fault) {
    process.stderr.write(`${fault instanceof Error ? fault.message : String(fault)}\n${usage}`);
    return 2;
  }
  if (options.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  if (positionals.length !== 1 || positionals[0] !== 'prepare') {
    process.stderr.write(usage);
    return 2;
  }
  const asJson = options.json === true;
  const tell = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);
  const progress: Progress = (step) => {
    if (asJson) tell(step);
    else process.stdout.write(`${formatStep(step)}\n`);
  };
  const startedMs = performance.now();
  try {
    const engine = await ensureEngine({
      ...(options.docker === undefined ? {} : { socket: options.docker }),
      engineDir: options.state === undefined ? defaultEngineDir : join(options.state, 'engine'),
      environment: process.env,
      progress,
    });
    const cacheDir = join(options.state ?? '/var/lib/celium', 'cache');
    const image = await ensureBaseImage({ socket: engine.socket, cacheDir, progress });
    const ready = {
      event: 'ready',
      socket: engine.socket,
      image: image.tag,
      imageId: image.imageId,
      usernsRemap: engine.facts.remap !== null,
      startedByUs: engine.startedByUs,
    };
    if (asJson) tell(ready);
    else {
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      process.stdout.write(`ready in ${seconds} s: ${ready.image} on ${ready.socket}\n`);
    }
    return 0;
  } catch (fault) {
    if (!(fault instanceof EngineFailure)) throw fault;
    if (asJson) tell({ event: 'error', code: fault.code, message: fault.message, remedy: fault.remedy });
    else process.stderr.write(`${fault.code}: ${fault.message}\n${fault.remedy}\n`);
    return 1;
  }
}
