/** Machine checks of honest and of cheating pods, each a program of its own behind local pipes: disk, ports, transfers, image, and the signed receipt. */

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keyFromUri, RequestSigner, toHex, verifyDocument } from '@celium/chain';
import { TEMPLATE_CHUNK_BYTES, TEMPLATE_HASH_BYTES, vantageAsk, type MachineReceipt } from '@celium/contract';
import { afterAll, expect, test } from 'vitest';
import { systemTime } from '../clock.ts';
import { createNetwork } from '../network/json-over-http.ts';
import type { NetworkPort } from '../ports.ts';
import { MachineBook } from '../state/machine-book.ts';
import { gentleClock, openCheckBench, VALIDATOR, type CheckBench } from '../testing/check-bench.ts';
import { createLocalShells } from '../testing/local-shells.ts';
import { createBlockAuditor } from './block-audit.ts';
import { checkSurroundings, type MachineCheckPorts } from './check-surroundings.ts';
import type { Dialer } from './port-probe.ts';
import { templateOf, type Template } from './template.ts';
import { VantageDesk } from './vantage.ts';

const PROVER = fileURLToPath(new URL('../../../prover/src/', import.meta.url));
const OTHER = keyFromUri('//other-vantage');
const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'celium-image-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Each is a program: what a pod runs in place of the honest one. */
const POD = {
  honest: [join(PROVER, 'main.ts'), '--machine'],
  sparse: [join(PROVER, 'machine/cheats/sparse-file.ts')],
  wrapped: [join(PROVER, 'machine/cheats/wrapped-disk.ts')],
  nothing: [join(PROVER, 'machine/cheats/no-disk.ts')],
  slow: [join(PROVER, 'machine/cheats/slow-disk.ts')],
  closed: [join(PROVER, 'machine/cheats/closed-ports.ts')],
  hollow: [join(PROVER, 'machine/cheats/hollow-transfers.ts')],
  swapped: [join(PROVER, 'machine/cheats/swapped-image.ts')],
  gone: ['--eval', 'process.exit(0)'],
  babbling: ['--eval', "process.stdout.write(':cms1p:!!!\\n'.repeat(100000))"],
};

interface Options {
  passes?: number;
  clock?: MachineCheckPorts['clock'];
  template?: Template;
  /** Whether another vantage point is asked too, and where it says it stands. */
  otherPlace?: { latitude: number; longitude: number };
  change?: (bench: CheckBench) => unknown;
}

async function look(pod: readonly string[], options: Options = {}) {
  const shellPort = createLocalShells({ program: pod });
  const bench = openCheckBench({ shellPort, clock: options.clock ?? gentleClock });
  await options.change?.(bench);
  const rented = bench.agent.leasedUnits();
  // The processes have no ports of the host's in front of theirs: the way from one to the other is that of the grant.
  const dialer: Dialer = {
    dial(_host, port) {
      const mappings = [...bench.agent.leases.values()].flatMap((lease) => lease.grant.body.ports);
      const podPort = mappings.find((mapping) => mapping.host === port)?.pod ?? 0;
      return new Promise((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port: podPort, noDelay: true }, () => resolve(socket));
        socket.once('error', reject);
      });
    },
  };
  const ports: MachineCheckPorts = {
    ...bench.ports,
    dialer,
    network:
      options.otherPlace === undefined
        ? createNetwork({ allowPrivate: true })
        : answeredBy(new VantageDesk({ ...bench.ports, dialer, hotkey: OTHER, coordinates: options.otherPlace })),
    signer: new RequestSigner(VALIDATOR, { now: Date.now, randomBytes }),
    machineBook: new MachineBook(bench.database, bench.ports.receipts),
    blockAuditor: createBlockAuditor(),
    storageSizes: { budgetBytes: 64 * 65_536, passes: options.passes ?? 1, writeLimitMs: 60_000 },
    payloadBytes: 600_000,
    coordinates: { latitude: 60.17, longitude: 24.94 },
    vantages: () =>
      options.otherPlace === undefined ? [] : [{ url: 'http://192.0.2.1:7760', key: toHex(OTHER.publicKey) }],
  };
  const unit = bench.known.machine.units[0] as string;
  const report = await checkSurroundings(ports, bench.known, unit, options.template ?? null, never);
  expect(bench.agent.leasedUnits()).toEqual(rented);
  const reached = ports.machineBook.reachedPorts(bench.known.machine.machineKey).size;
  bench.close();
  if (report.kind !== 'checked') return { report, parts: null, reached };
  const verified = verifyDocument('machine-receipt', report.receipt);
  if (!verified.ok) throw new Error(verified.message);
  return { report, parts: verified.body.parts as MachineReceipt['parts'], reached, body: verified.body };
}

/** A network on which another validator's desk answers every question. */
function answeredBy(desk: VantageDesk): NetworkPort {
  return {
    request: async ({ body }) => ({
      status: 200,
      json: { report: await desk.answer(vantageAsk.parse(JSON.parse(String(body)))) },
    }),
  };
}

/** An index of one file that really lies on this machine. */
function template(): Template {
  const path = join(folder, 'large-file');
  const content = randomBytes(200_000);
  writeFileSync(path, content);
  const hashes = [];
  for (let at = 0; at < content.length; at += TEMPLATE_CHUNK_BYTES)
    hashes.push(
      createHash('sha256')
        .update(content.subarray(at, at + TEMPLATE_CHUNK_BYTES))
        .digest()
        .subarray(0, TEMPLATE_HASH_BYTES),
    );
  const files = [{ path, bytes: content.length, chunks: Buffer.concat(hashes).toString('base64') }];
  const image = `registry.example/large@sha256:${'ab'.repeat(32)}`;
  const made = templateOf({ form: 'celium/template-index/1', name: 'large', image, imageBytes: 200_000, files });
  if (made === null) throw new Error('the index does not fit');
  return made;
}

test('an honest machine passes in every part that was tested, and the receipt says what was measured', async () => {
  const { body, reached } = await look(POD.honest, { passes: 16, template: template() });
  expect(body).toMatchObject({ verdict: 'pass', validator: VALIDATOR.ss58 });
  expect(body?.parts).toMatchObject({
    storage: { verdict: 'pass', code: 'OK', bytesWritten: 64 * 65_536, bytesRead: 64 * 65_536, passes: 16 },
    image: { verdict: 'pass', digest: `sha256:${'ab'.repeat(32)}`, imageBytes: 200_000 },
    ports: { verdict: 'pass', tried: 8, reached: 8, rangeReached: 8, rangePorts: 101 },
    network: { verdict: 'pass', vantages: 1, payloadBytes: 600_000, message: 'one vantage point: the validator alone' },
    location: { verdict: 'not-tested', code: 'NO_COORDINATES', vantages: 1 },
  });
  expect(body?.parts.network.upBytesPerSecond).toBeGreaterThan(0);
  expect(body?.parts.network.downBytesPerSecond).toBeGreaterThan(0);
  expect(reached).toBe(8);
});

test.each([
  ['a sparse file', POD.sparse],
  ['a disk that wraps around', POD.wrapped],
])('%s is found out by its data', async (_what, pod) => {
  const { body } = await look(pod);
  expect(body).toMatchObject({ verdict: 'fail', parts: { storage: { verdict: 'fail', code: 'DISK_WRONG_DATA' } } });
});

test.each([
  ['a slow tier', POD.slow, 1],
  ['a pod that stores nothing and makes each block again', POD.nothing, 256],
])('%s gives the right data, too late', async (_what, pod, passes) => {
  // The real clock: on a busy machine these are only later still.
  const { body } = await look(pod, { passes, clock: systemTime });
  expect(body).toMatchObject({ verdict: 'fail', parts: { storage: { verdict: 'fail', code: 'DISK_SLOW' } } });
});

test('a port that leads nowhere fails the ports and is named, and the rest is measured all the same', async () => {
  const { parts, reached } = await look(POD.closed);
  expect(parts?.ports).toMatchObject({ verdict: 'fail', code: 'PORT_CLOSED', tried: 8, reached: 1 });
  expect(parts?.ports.message).toMatch(/does not lead into the pod: 40\d{3}/);
  expect(parts?.storage.verdict).toBe('pass');
  expect(reached).toBe(1);
});

test('a payload that was not moved fails the network, and its ports are open all the same', async () => {
  const { parts } = await look(POD.hollow);
  expect(parts?.network).toMatchObject({ verdict: 'fail', code: 'TRANSFER_FAILED', upBytesPerSecond: 0 });
  expect(parts?.ports.verdict).toBe('pass');
});

test('another image than the template is found out by its files', async () => {
  const { parts } = await look(POD.swapped, { template: template() });
  expect(parts?.image).toMatchObject({ verdict: 'fail', code: 'IMAGE_WRONG_CONTENT' });
});

test('a template that never comes up is a failed deploy', async () => {
  const { parts } = await look(POD.honest, {
    template: template(),
    change: (bench) => Object.assign(bench.agent, { podState: 'gone', goneReason: 'start-failed' }),
  });
  expect(parts?.image).toMatchObject({ verdict: 'fail', code: 'IMAGE_NOT_DEPLOYED' });
  expect(parts?.storage.verdict).toBe('not-tested');
});

test.each([
  ['ends at once', POD.gone, 'the session was closed'],
  ['babbles', POD.babbling, 'the pod sent what is no answer'],
])('a pod that %s fails with a reason of ours', async (_what, pod, message) => {
  const { parts } = await look(pod);
  expect(parts?.storage).toMatchObject({ verdict: 'fail', code: 'NO_SESSION', message });
});

test('a place that light cannot reach so fast fails the location, and the bound is shown', async () => {
  const { parts } = await look(POD.honest, {
    change: (bench) =>
      Object.assign(bench.known.machine.host, { coordinates: { latitude: -33.87, longitude: 151.21 } }),
  });
  expect(parts?.location).toMatchObject({ verdict: 'fail', code: 'LOCATION_CONTRADICTED' });
});

test('a second vantage point counts in the receipt, and alone contradicts no place that we do not contradict ourselves', async () => {
  const { parts } = await look(POD.honest, {
    otherPlace: { latitude: -33.87, longitude: 151.21 },
    change: (bench) => Object.assign(bench.known.machine.host, { coordinates: { latitude: 60.2, longitude: 24.9 } }),
  });
  expect(parts?.network).toMatchObject({ verdict: 'pass', vantages: 2, message: '' });
  expect(parts?.location).toMatchObject({ verdict: 'pass', code: 'OK', vantages: 2 });
});

test('a machine whose unit is rented is left alone', async () => {
  const { report } = await look(POD.honest, {
    change: (bench) => bench.agent.leaseTo(VALIDATOR, [...bench.known.machine.units]),
  });
  expect(report).toMatchObject({ kind: 'busy', code: 'UNITS_BUSY' });
});
