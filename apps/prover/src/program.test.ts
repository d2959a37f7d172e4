/** The bundled program as validators meet it: typed into an interactive shell on a real terminal, honest and dishonest. */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  auditTranscript,
  judgeChallenge,
  type ProofClaim,
  type ProofClock,
  proofParams,
  type ProofTransport,
  proverShellCommand,
  runChallenge,
  systemClock,
} from '@celium/proof';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProver, type Cheat, CHEATS } from '../build.ts';

const folder = mkdtempSync(join(tmpdir(), 'celium-prover-'));
const programs = new Map<Cheat | 'honest', string>();

beforeAll(async () => {
  const build = async (name: Cheat | 'honest', cheat?: Cheat): Promise<void> => {
    programs.set(name, await buildProver(join(folder, name), cheat));
  };
  await Promise.all([build('honest'), ...CHEATS.map((cheat) => build(cheat, cheat))]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A clock at a thirtieth of the real speed: content is at issue here, and a busy test machine must not decide it. */
const slowClock: ProofClock = {
  nowMs: () => systemClock.nowMs() / 30,
  setTimer: (delayMs, fire) => systemClock.setTimer(delayMs * 30, fire),
};

/** An interactive shell on a pseudo-terminal, as SSH would give one. */
function openShell(): ChildProcessWithoutNullStreams {
  return spawn('script', ['-q', '-f', '-c', 'sh -i', '/dev/null'], { stdio: 'pipe' });
}

function transportOf(child: ChildProcessWithoutNullStreams): ProofTransport {
  return {
    write: (text) => void child.stdin.write(text),
    onData: (listener) => void child.stdout.on('data', listener),
    onClose: (listener) => void child.on('close', listener),
  };
}

async function challenge(program: Cheat | 'honest', clock: ProofClock): Promise<ProofClaim> {
  const shell = openShell();
  const hex = (): string => randomBytes(32).toString('hex');
  const ended = new Promise((resolve) => shell.on('close', resolve));
  try {
    shell.stdin.write(proverShellCommand([process.execPath, programs.get(program)!]));
    const result = await runChallenge({
      transport: transportOf(shell),
      clock,
      randomBytes: (count) => new Uint8Array(randomBytes(count)),
      params: proofParams('micro', 'onboarding'),
      binding: {
        blockHash: hex(),
        hotkey: hex(),
        machineKey: hex(),
        grantHash: hex(),
        hostKeyHash: hex(),
        unit: 'cpu:test',
        barrierId: '',
      },
      declaredRateUnitsPerSecond: 100,
    });
    const audit = result.failure === null ? auditTranscript(result.transcript) : null;
    return judgeChallenge({ result, audit, declaredRateUnitsPerSecond: 100 });
  } finally {
    shell.stdin.end();
    if (program === 'late') shell.kill('SIGTERM');
    await ended;
  }
}

test('typed into an interactive shell, the honest prover passes and ends with the challenge', async () => {
  expect(await challenge('honest', slowClock)).toMatchObject({ verdict: 'pass', reason: 'none' });
});

test.each([
  ['skips 20 % of its tiles', 'skip-tiles', 'skipped-work'],
  ['multiplies once for all rounds', 'stale-products', 'skipped-work'],
  ['takes its operands from one cell', 'unbound-operands', 'skipped-work'],
  ['answers another seed', 'other-seed', 'wrong-seed'],
  ['makes everything up', 'made-up', 'bad-path'],
] as const)('a prover that %s is refused for it', async (_what, cheat, reason) => {
  expect(await challenge(cheat, slowClock)).toMatchObject({ verdict: 'fail', reason });
});

test.each([
  ['makes every cell again when it reads it', 'no-memory'],
  ['has half of its memory on disk', 'swapped-memory'],
] as const)('a prover that %s answers exactly, so that only time can tell', async (_what, cheat) => {
  expect(await challenge(cheat, slowClock)).toMatchObject({ verdict: 'pass', reason: 'none' });
});

test('a prover that holds its roots back is refused as late', async () => {
  expect(await challenge('late', systemClock)).toMatchObject({ verdict: 'fail', reason: 'late' });
});

test('the bundle is one file, and its self-test prints the rate to declare', { timeout: 60_000 }, async () => {
  expect(readdirSync(join(folder, 'honest'))).toEqual(['prover.mjs']);
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [programs.get('honest')!, '--self-test', '--json'], {
    timeout: 50_000,
  });
  const report = JSON.parse(stdout) as Record<string, unknown>;
  expect(report).toMatchObject({ ok: true, device: 'cpu' });
  expect(report['declaredRateUnitsPerSecond']).toBeLessThan(report['rateUnitsPerSecond'] as number);
});

test('an unknown option ends with the usage and status 2', async () => {
  const run = promisify(execFile);
  await expect(run(process.execPath, [programs.get('honest')!, '--fast'])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Usage:'),
  });
});
