/** A renter's own verification against real provers: whole, cheating, gone, and a pod that lets nobody in. */

import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { proofParams, type ProofBinding } from '@celium/proof';
import { expect, test } from 'vitest';
import { openPodShell, type PodShell } from './pod-shell.ts';
import { proveInPod, type ProveStage, type UnitChallenge, type UnitProof } from './prove-pod.ts';

const PROVER = fileURLToPath(new URL('../../../prover/src/main.ts', import.meta.url));

const challenge = (unit: string): UnitChallenge => ({
  params: proofParams('micro', 'onboarding'),
  binding: bindingOf(unit),
  declaredRateUnitsPerSecond: 100,
});

function bindingOf(unit: string): ProofBinding {
  const hex = (): string => randomBytes(32).toString('hex');
  return {
    blockHash: hex(),
    hotkey: hex(),
    machineKey: hex(),
    grantHash: hex(),
    hostKeyHash: hex(),
    unit,
    barrierId: '',
  };
}

/** A prover's process where a shell would be; the line that starts it in a pod is swallowed, as a shell does. */
function localShell(program: string): PodShell {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => {});
  return {
    write: (text) => void (text.startsWith('stty') ? undefined : child.stdin.write(text)),
    onData: (listener) => void child.stdout.on('data', listener),
    onClose: (listener) => void child.stdout.on('close', listener),
    close: () => void child.kill('SIGKILL'),
    words: () => '',
  };
}

/** Every sample was opened and is exact. In time as well, where the machine has time for it: a deadline of 150 ms is no claim about this code. */
function expectExact(proof: UnitProof | undefined): void {
  const { tiles, leaves, walks } = proofParams('micro', 'onboarding').audit;
  expect(['none', 'late']).toContain(proof?.claim.reason);
  if (proof?.claim.reason === 'none') expect(proof.claim.figures).toMatchObject({ tiles, leaves, walks });
}

test('all units of a pod are proven together and audited, each with its own claim', async () => {
  const stages: ProveStage[] = [];
  const units = [challenge('GPU-a'), challenge('GPU-b')];
  const proofs = await proveInPod(
    units,
    () => localShell(PROVER),
    (stage) => stages.push(stage),
  );
  expect(proofs.map(({ unit }) => unit)).toEqual(['GPU-a', 'GPU-b']);
  for (const proof of proofs) expectExact(proof);
  expect(stages[0]).toBe('logging in');
  expect(stages.at(-1)).toBe('auditing');
});

test('a prover that leaves ends its own unit and holds no other back', async () => {
  const programs = [PROVER, fileURLToPath(import.meta.url).replace(/[^/]+$/, 'no-such-program.ts')];
  const proofs = await proveInPod(
    [challenge('GPU-a'), challenge('GPU-b')],
    () => localShell(programs.shift() as string),
    () => {},
  );
  expectExact(proofs[0]);
  expect(proofs[1]?.claim).toMatchObject({ verdict: 'fail', reason: 'closed' });
});

test('a client that cannot log in is a failed challenge, and its words say why', async () => {
  let shell: PodShell | undefined;
  const [proof] = await proveInPod(
    [challenge('GPU-a')],
    () => (shell = openPodShell(['-F', 'none', '-o', 'BatchMode=yes', '-p', '1', '-l', 'root', '--', '127.0.0.1'])),
    () => {},
  );
  expect(proof?.claim).toMatchObject({ verdict: 'fail', reason: 'closed' });
  expect(shell?.words()).toContain('refused');
});
