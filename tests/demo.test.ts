/** The demo as a newcomer runs it: from nothing to a verified, rented, metered pod and a bill that adds up; then by hand with its CLI. */

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ROOT } from './world.ts';

const run = promisify(execFile);
const CELIUM = join(ROOT, 'celium');

interface DemoReport {
  ok: boolean;
  verifiedClass: string;
  proofSeconds: number;
  auditCpuSeconds: number;
  rentToReadyMs: number;
  rentToSshMs: number;
  floorSshMs: number;
  commandOutput: string;
  billedSeconds: number;
  groundTruthSeconds: number;
  chargedMicroUsd: number | string;
  providerMicroUsd: number | string;
  feeMicroUsd: number | string;
  ledgerSum: number | string;
  containersLeft: number;
  steps: Array<{ name: string; ms: number }>;
}

test('./celium demo --once --json rents a verified machine, and what it bills is what happened', async () => {
  const { stdout } = await run(CELIUM, ['demo', '--once', '--json'], { timeout: 280_000, maxBuffer: 16_777_216 });
  const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as DemoReport;
  expect(report).toMatchObject({ ok: true, verifiedClass: 'CPU', containersLeft: 0 });
  expect(Number(report.ledgerSum)).toBe(0);
  expect(Math.abs(report.billedSeconds - report.groundTruthSeconds)).toBeLessThanOrEqual(1);
  expect(Number(report.providerMicroUsd) + Number(report.feeMicroUsd)).toBe(Number(report.chargedMicroUsd));
  expect(Number(report.chargedMicroUsd)).toBeGreaterThan(0);
  expect(report.commandOutput).not.toBe('');
  for (const name of ['proofSeconds', 'auditCpuSeconds', 'rentToReadyMs', 'rentToSshMs', 'floorSshMs'] as const) {
    expect(report[name], name).toBeGreaterThan(0);
  }
  expect(report.steps.length).toBeGreaterThan(5);
});

test('beside a demo that stays up, the CLI lists, rents, logs in, reads logs, verifies the proof, stops and bills', async () => {
  const demo = spawn(CELIUM, ['demo', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const ready = await readyLine(demo.stdout);
    const env = {
      ...process.env,
      CELIUM_HOME: String(ready['home']),
      CELIUM_MARKET: String(ready['marketUrl']),
      CELIUM_VALIDATOR: String(ready['validatorUrl']),
    };
    const celium = async <Reply>(...args: string[]): Promise<Reply> => {
      const { stdout } = await run(CELIUM, [...args, '--json'], { env, timeout: 60_000 });
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Reply;
    };
    const offers = await celium<Array<{ class: string }>>('ls');
    expect(offers.map((offer) => offer.class)).toEqual(['CPU']);
    const { rentalId: pod } = await celium<{ rentalId: string }>('up', '--yes');
    const answer = await run(CELIUM, ['exec', pod, '--', 'sh', '-c', 'echo in the pod; exit 7'], { env }).catch(
      (error: unknown) => error as { code: number; stdout: string },
    );
    expect(answer).toMatchObject({ code: 7, stdout: 'in the pod\n' });
    expect((await celium<{ text: string }>('logs', pod)).text).toMatch(/Server listening/);
    await verifyPod(pod, String(ready['chainUrl']), env);
    await celium('rm', pod, '--yes');
    await verifyProof(celium, env);
    const bill = await celium('bill', pod);
    expect(JSON.stringify(bill)).toContain(pod);
    const unknown = await run(CELIUM, ['bill', 'nothing-like-it', '--json'], { env }).catch(
      (error: unknown) => error as { code: number },
    );
    expect(unknown).toMatchObject({ code: 13 });
  } finally {
    demo.kill('SIGINT');
    await new Promise((resolve) => demo.once('exit', resolve));
  }
});

/** The renter's own verification, by this machine and by the validator; each is signed, can be audited again, and leaves no key behind. */
async function verifyPod(pod: string, chainUrl: string, env: NodeJS.ProcessEnv): Promise<void> {
  const validator = String(env['CELIUM_VALIDATOR']);
  for (const how of [
    ['--chain', chainUrl],
    ['--validator', validator],
  ]) {
    const { stdout } = await run(CELIUM, ['verify', pod, '--json', ...how], {
      env,
      timeout: 200_000,
      maxBuffer: 16_777_216,
    });
    const { ok, files, notes } = JSON.parse(stdout) as {
      ok: boolean;
      notes: string[];
      files: Array<{ verification: { body: Record<string, unknown> } }>;
    };
    expect({ ok, notes }).toEqual({ ok: true, notes: [] });
    expect(files[0]?.verification.body).toMatchObject({ verdict: 'pass', measured: { class: 'CPU' } });
    expect(files[0]?.verification.body['blockNumber']).toBeGreaterThan(0);
  }
  const keys = await run(CELIUM, ['exec', pod, '--', 'sh', '-c', 'cat ~/.ssh/authorized_keys 2>/dev/null | wc -l'], {
    env,
  });
  expect(keys.stdout.trim()).toBe('0');
}

/** Fetches the newest proof, verifies it offline, and then with one digit of an answer changed. */
async function verifyProof(
  celium: <Reply>(...args: string[]) => Promise<Reply>,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'celium-proof-'));
  try {
    const receipts = await celium<Array<{ body?: { receiptId: string }; receiptId?: string }>>('proof', 'ls');
    const receiptId = receipts[0]?.body?.receiptId ?? receipts[0]?.receiptId ?? '';
    const file = join(folder, 'proof.json');
    await run(CELIUM, ['proof', 'get', receiptId, '-o', file], { env, timeout: 60_000 });
    expect(await celium('proof', 'verify', file)).toMatchObject({ ok: true });
    const proof = JSON.parse(await readFile(file, 'utf8')) as { transcript: { openings: Array<{ digests: string }> } };
    const opening = proof.transcript.openings[0] as { digests: string };
    opening.digests = (opening.digests.startsWith('0') ? '1' : '0') + opening.digests.slice(1);
    await writeFile(file, JSON.stringify(proof));
    const forged = await run(CELIUM, ['proof', 'verify', file, '--json'], { env }).catch(
      (error: unknown) => error as { code: number },
    );
    expect(forged).toMatchObject({ code: 60 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readyLine(stdout: NodeJS.ReadableStream): Promise<Record<string, unknown>> {
  const said: string[] = [];
  for await (const line of createInterface({ input: stdout })) {
    said.push(line);
    if (!line.startsWith('{')) continue;
    const event = JSON.parse(line) as Record<string, unknown>;
    if (event['event'] === 'ready' && event['home'] !== undefined) return event;
  }
  throw new Error(`the demo ended before it was ready:\n${said.slice(-20).join('\n')}`);
}
