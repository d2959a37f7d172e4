/** The machine check on a real engine: a real agent's pods behind OpenSSH, ports that Docker really publishes, files of a real image. */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RequestSigner, verifyDocument } from '@celium/chain';
import type { MachineReceipt } from '@celium/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAgentClient } from '../network/agent-client.ts';
import { createNetwork } from '../network/json-over-http.ts';
import { createSshShells } from '../shell/ssh-shell.ts';
import { MachineBook } from '../state/machine-book.ts';
import { gentleClock, openCheckBench } from '../testing/check-bench.ts';
import { RealMachine } from '../testing/real-machine.ts';
import { serveBaseImage } from '../testing/served-image.ts';
import { createBlockAuditor } from './block-audit.ts';
import { checkSurroundings, type MachineCheckPorts } from './check-surroundings.ts';
import { createDialer } from './port-probe.ts';
import type { Template } from './template.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const BLOCKS = 32;
const BLOCK_BYTES = 65_536;

const machine = new RealMachine();
beforeAll(() => machine.start(), 300_000);
afterAll(() => machine.close(), 60_000);

/** One check of the machine, over its agent's own API and over SSH; no limit of time falls earlier on a busy computer. */
async function look(template: Template | null): Promise<MachineReceipt> {
  const shells = createSshShells({ allowPrivate: true, randomBytes });
  const bench = openCheckBench({ shellPort: shells, clock: gentleClock });
  try {
    const network = createNetwork({ allowPrivate: true });
    const signer = new RequestSigner(machine.validator, { now: Date.now, randomBytes });
    const ports: MachineCheckPorts = {
      ...bench.ports,
      hotkey: machine.validator,
      agent: createAgentClient(network, signer),
      network,
      signer,
      dialer: createDialer(true),
      machineBook: new MachineBook(bench.database, bench.ports.receipts),
      blockAuditor: createBlockAuditor(),
      storageSizes: { budgetBytes: BLOCKS * BLOCK_BYTES, passes: 1, writeLimitMs: 60_000 },
      payloadBytes: 600_000,
      coordinates: null,
      vantages: () => [],
    };
    const { known } = machine;
    const unit = known.machine.units[0] ?? '';
    const report = await checkSurroundings(ports, known, unit, template, new AbortController().signal);
    if (report.kind !== 'checked') throw new Error(JSON.stringify(report));
    const verified = verifyDocument('machine-receipt', report.receipt);
    if (!verified.ok) throw new Error(verified.message);
    return verified.body as MachineReceipt;
  } finally {
    bench.close();
  }
}

/** Puts a dishonest pod's program where the agent has the honest one. */
async function cheatWith(cheat: string): Promise<void> {
  const out = join(machine.folder, cheat);
  await run(process.execPath, ['apps/prover/build.ts', out, '--cheat', cheat], { cwd: ROOT, timeout: 60_000 });
  await machine.useForeignProver(join(out, 'prover.mjs'));
}

test(
  'an honest machine passes storage and image, and every sampled port leads into the pod',
  { timeout: 240_000 },
  async () => {
    const served = await serveBaseImage(machine.folder);
    const body = await look(served.template).finally(() => served.close());
    expect(body).toMatchObject({ verdict: 'pass', validator: machine.validator.ss58, machineId: 'real' });
    expect(body.parts).toMatchObject({
      storage: { verdict: 'pass', code: 'OK', bytesWritten: BLOCKS * BLOCK_BYTES },
      image: { verdict: 'pass', code: 'OK' },
      ports: { verdict: 'pass', code: 'OK', tried: 8, reached: 8, rangeReached: 8, rangePorts: 20 },
      network: { verdict: 'pass', vantages: 1, payloadBytes: 600_000 },
    });
    await machine.untilEmpty();
  },
);

test('a sparse file fails the storage by its data', { timeout: 240_000 }, async () => {
  await cheatWith('sparse-file');
  const body = await look(null);
  expect(body.verdict).toBe('fail');
  expect(body.parts.storage).toMatchObject({ verdict: 'fail', code: 'DISK_WRONG_DATA' });
  expect(body.parts.ports).toMatchObject({ verdict: 'pass', reached: 8 });
  await machine.untilEmpty();
});
