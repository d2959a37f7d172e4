/** The machine's own OpenSSH client only ever talks to the host key of the grant. The servers here are real SSH servers on loopback. */

import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFromUri } from '@celium/chain';
import fc from 'fast-check';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstKeyExchange } from '../demo/key-exchange.ts';
import { HOST_KEY, MACHINE_KEY, sampleGrant, sampleRental } from '../testing/samples.ts';
import { explainSshFailure, isSshFailure, makeSshKey, quoteForRemoteShell, sshArguments } from './open-ssh.ts';
import { targetOfGrant, writeKnownHosts, type PinnedTarget } from './pinned-target.ts';

interface TestServer {
  port: number;
  hostKey: string;
  /** Commands that clients asked for. */
  commands: string[];
  close(): void;
}

let folder = '';
let right: TestServer;
let wrong: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'celium-ssh-'));
  await makeSshKey(join(folder, 'id'), 'test');
  [right, wrong] = await Promise.all([startServer('host-a'), startServer('host-b')]);
});

afterAll(() => {
  right.close();
  wrong.close();
  rmSync(folder, { recursive: true });
});

async function startServer(name: string): Promise<TestServer> {
  await makeSshKey(join(folder, name), name);
  const commands: string[] = [];
  const server = new ssh2.Server({ hostKeys: [readFileSync(join(folder, name))] }, (client) => {
    client.on('authentication', (context) =>
      context.method === 'publickey' ? context.accept() : context.reject(['publickey']),
    );
    client.on('error', () => {});
    client.on('ready', () =>
      client.on('session', (accept) =>
        accept().on('exec', (acceptExec, _, info) => {
          commands.push(info.command);
          const stream = acceptExec();
          stream.write('hello\n');
          stream.exit(7);
          stream.end();
        }),
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const [type, blob] = readFileSync(join(folder, `${name}.pub`), 'utf8').split(' ');
  return {
    port: (server.address() as AddressInfo).port,
    hostKey: `${type} ${blob}`,
    commands,
    close: () => server.close(),
  };
}

function targetAt(port: number, hostKey: string): PinnedTarget {
  return { host: '127.0.0.1', port, user: 'root', hostKey, alias: 'celium-lease' };
}

async function ssh(target: PinnedTarget, command: string[]): Promise<{ status: number; stdout: string }> {
  const knownHostsFile = writeKnownHosts(folder, target);
  const options = { knownHostsFile, identityFiles: [join(folder, 'id')], terminal: 'none', batch: true } as const;
  return await new Promise((resolve) => {
    execFile('ssh', ['-F', 'none', ...sshArguments(target, options, command)], { timeout: 15_000 }, (fault, stdout) =>
      resolve({ status: fault === null ? 0 : Number(fault.code), stdout }),
    );
  });
}

test('a command reaches the pod of the grant, argument by argument, and its exit status comes back', async () => {
  const words = ['echo', 'two words', "it's", '$HOME', '*'];
  const run = await ssh(targetAt(right.port, right.hostKey), words.map(quoteForRemoteShell));
  expect(run).toEqual({ status: 7, stdout: 'hello\n' });
  expect(right.commands.at(-1)).toBe(String.raw`echo 'two words' 'it'\''s' '$HOME' '*'`);
});

test('another host key than the grant’s is refused before anything is sent, and named as such', async () => {
  const target = targetAt(wrong.port, right.hostKey);
  const run = await ssh(target, ['secret']);
  expect(isSshFailure(run.status)).toBe(true);
  expect(wrong.commands).toEqual([]);
  expect(await explainSshFailure(target)).toMatchObject({ code: 'HOST_KEY_MISMATCH' });
  expect(await explainSshFailure(targetAt(right.port, right.hostKey))).toBeNull();
});

test('a pod that does not answer is told apart from one with another key', async () => {
  expect(await explainSshFailure(targetAt(1, right.hostKey))).toMatchObject({ code: 'AGENT_UNAVAILABLE' });
});

test('known_hosts of a pod holds its one key and is private', async () => {
  const path = writeKnownHosts(folder, targetAt(22, HOST_KEY));
  expect(readFileSync(path, 'utf8')).toBe(`celium-lease ${HOST_KEY}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('the demo’s key exchange succeeds with the granted key only, and waits for who is late', async () => {
  const before = Date.now() - 1;
  const atMs = await firstKeyExchange({ host: '127.0.0.1', port: right.port, hostKey: right.hostKey }, 5_000);
  expect(atMs).toBeGreaterThan(before);
  expect(atMs).toBeLessThan(Date.now() + 1);
  await expect(
    firstKeyExchange({ host: '127.0.0.1', port: wrong.port, hostKey: right.hostKey }, 5_000),
  ).rejects.toMatchObject({ code: 'HOST_KEY_MISMATCH' });
  await expect(firstKeyExchange({ host: '127.0.0.1', port: 1, hostKey: right.hostKey }, 100)).rejects.toMatchObject({
    code: 'TIMEOUT',
  });
});

test('the target of a rental is what the offer’s machine has signed', async () => {
  const rental = await sampleRental();
  expect(targetOfGrant(rental, MACHINE_KEY)).toEqual({
    host: '127.0.0.1',
    port: 20_001,
    user: 'root',
    hostKey: HOST_KEY,
    alias: 'celium-11111111-51b4-4a53-9a55-0b6b1f1f2b33',
  });
});

test('a grant by another key, a changed grant, and a market that names another key or port are refused', async () => {
  const codeOf = (rental: Awaited<ReturnType<typeof sampleRental>>): string => {
    try {
      targetOfGrant(rental, MACHINE_KEY);
      return 'accepted';
    } catch (fault) {
      return (fault as { code: string }).code;
    }
  };
  const rental = await sampleRental();
  const foreign = await sampleGrant({}, keyFromUri('//Mallory'));
  const { publicKey } = generateKeyPairSync('ed25519');
  const other = `ssh-ed25519 ${Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)]).toString('base64')}`;
  const ssh = rental.ssh as NonNullable<typeof rental.ssh>;
  expect(codeOf({ ...rental, grant: foreign })).toBe('KEY_NOT_DELEGATED');
  expect(
    codeOf({ ...rental, grant: { ...(rental.grant as typeof foreign), body: { ...foreign.body, hostKey: other } } }),
  ).toBe('SIGNATURE_WRONG');
  expect(codeOf({ ...rental, ssh: { ...ssh, hostKey: other } })).toBe('HOST_KEY_MISMATCH');
  expect(codeOf({ ...rental, ssh: { ...ssh, port: 20_002 } })).toBe('HOST_KEY_MISMATCH');
  expect(codeOf({ ...rental, grant: null })).toBe('BAD_REQUEST');
});

test('any argument arrives at a real shell as it was typed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.string({ maxLength: 20 }).filter((text) => !text.includes('\0')),
        { minLength: 1, maxLength: 4 },
      ),
      async (words) => {
        const line = ['printf', '%s\\0', ...words].map(quoteForRemoteShell).join(' ');
        const shown = await new Promise<string>((resolve, reject) => {
          execFile('/bin/sh', ['-c', line], (fault, stdout) => (fault === null ? resolve(stdout) : reject(fault)));
        });
        expect(shown.split('\0').slice(0, -1)).toEqual(words);
      },
    ),
    { numRuns: 30 },
  );
});
