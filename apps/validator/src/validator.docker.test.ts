/** The whole path on a real engine: lease, pod, OpenSSH, prover, verdict, weights. Provers that cheat and slow paths have their tests in `tests/`. */

import { randomBytes } from 'node:crypto';
import type { ProgressEvent } from '@celium/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeClientKey } from './shell/client-key.ts';
import { createSshShells } from './shell/ssh-shell.ts';
import { RealMachine } from './testing/real-machine.ts';

const machine = new RealMachine();
beforeAll(() => machine.start(), 300_000);
afterAll(() => machine.close(), 60_000);

function checkOf(events: ProgressEvent[]): ProgressEvent {
  const [check, ...more] = events.filter((event) => event.event === 'check');
  if (check === undefined || more.length > 0) throw new Error(`not one check: ${JSON.stringify(events)}`);
  return check;
}

test('an honest machine is verified as a CPU machine, and gets its weight', { timeout: 240_000 }, async () => {
  const events = await machine.checkOnce();
  const check = checkOf(events) as Record<string, unknown>;
  expect(check).toMatchObject({ verdict: 'pass', class: 'CPU', onboarding: true, reason: { code: 'OK' } });
  expect(check['auditCpuSeconds']).toBeGreaterThan(0);
  expect(events).toContainEqual(expect.objectContaining({ event: 'step', name: 'set weights', status: 'done' }));
  await machine.untilEmpty();
});

test(
  'OpenSSH with the key of the grant carries frames as they are; with another key it sees no login',
  { timeout: 120_000 },
  async () => {
    const shells = createSshShells({ allowPrivate: true, randomBytes });
    const clientKey = shells.newClientKey();
    const pod = await machine.startPod(clientKey.publicLine);
    const target = { host: '127.0.0.1', port: pod.port, clientKey };
    const never = new AbortController().signal;

    const other = makeClientKey(randomBytes).publicLine;
    const refused = await shells.connect({ ...target, hostKey: other }, never);
    expect(refused).toMatchObject({ kind: 'host-key-mismatch' });
    expect(await machine.logsOf(pod.id)).not.toContain('Accepted publickey');

    const connection = await shells.connect({ ...target, hostKey: pod.hostKey }, never);
    if (!('openShell' in connection)) throw new Error(JSON.stringify(connection));
    const frame = `CGP1${'Aa0+/'.repeat(780)}\n`;
    const all = await Promise.all([connection.openShell(), connection.openShell()]);
    for (const shell of all) {
      let text = '';
      let wake = (): void => {};
      shell.onData((chunk) => {
        text += Buffer.from(chunk).toString('latin1');
        wake();
      });
      const heard = async (what: string): Promise<void> => {
        while (!text.includes(what)) await new Promise<void>((resolve) => (wake = resolve));
      };
      // Quotes keep the echo of the typed line from looking like the answer to it.
      shell.write("stty raw -echo; echo rea''dy; exec cat\n");
      await heard('ready\n');
      shell.write(frame);
      await heard(frame);
      expect(text.endsWith(frame)).toBe(true);
    }
    connection.close();
  },
);
