/**
 * How long from a rent request to the first `ssh ... true`, beside the raw floor: create and start the very same container through the
 * Engine API, then the same ssh. Both alternate in one run; nothing is created ahead on either side but the network that both have.
 */

import { copyFile, mkdir } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Rental } from '@celium/contract';
import { sshRun, untilSshBanner } from '../tests/ssh.ts';
import { until, World } from '../tests/world.ts';
import { reportFigures, roundFigure, type FigureReport } from '../tools/figures.ts';
import { engineCall } from './engine.ts';
import { median, quantile } from './statistics.ts';

const DEFAULT_RUNS = 30;
const TARGET_RATIO = 1.5;

interface Mount {
  Type: string;
  Source: string;
  Target: string;
}

/** What the engine says of a container, as far as another one like it needs it. */
interface Inspected {
  Config: { Image: string; Env: string[]; Cmd: string[] | null; Labels: Record<string, string>; ExposedPorts?: object };
  HostConfig: {
    Mounts?: Mount[];
    NetworkMode: string;
    PortBindings: Record<string, Array<{ HostIp?: string; HostPort: string }>>;
  };
}

export async function runBenchmark(args: readonly string[], progress: (line: string) => void): Promise<FigureReport> {
  const runs = Number(args[0] ?? DEFAULT_RUNS);
  const world = await World.start();
  try {
    progress('verifying the machine ...');
    await world.verify();
    const knownHostsFile = join(world.stateDir, 'known_hosts');
    const ours: number[] = [];
    const readyMs: number[] = [];
    const floors: number[] = [];
    // One run of each before counting, so that no side pays for a cold cache.
    for (let index = -1; index < runs; index += 1) {
      // A renter of its own for each: a market takes ten rents a minute from one.
      const renter = await world.newRenter();
      const { keyFile } = renter;
      const { offers } = await renter.client.call('listOffers', { query: {} });
      const offer = offers[0];
      if (offer === undefined) throw new Error('no offer can be rented');
      const startedMs = performance.now();
      const created = await renter.client.call('createRental', { body: { offerId: offer.offerId } });
      const rental = await renter.client.call('getRental', {
        params: { rentalId: created.rentalId },
        query: { waitFor: 'running', waitMs: 30_000 },
      });
      const rentedMs = performance.now() - startedMs;
      if (rental.state !== 'running' || rental.ssh === null)
        throw new Error(`the rental is ${rental.state}: ${rental.detail}`);
      await mustLogIn({ ...rental.ssh, keyFile, knownHostsFile });
      const oursMs = performance.now() - startedMs;
      const copy = await inspectPod(world);
      await stop(world, renter.client, rental);
      const floorMs = await measureFloor(world, copy, keyFile, rental, knownHostsFile);
      if (index < 0) continue;
      ours.push(oursMs);
      readyMs.push(rentedMs);
      floors.push(floorMs);
      progress(`${index + 1}/${runs}: rent to ssh ${oursMs.toFixed(0)} ms, floor ${floorMs.toFixed(0)} ms`);
    }
    return report(ours, readyMs, floors);
  } finally {
    await world.close();
  }
}

function report(ours: number[], readyMs: number[], floors: number[]): FigureReport {
  const floor = roundFigure(median(floors));
  const value = roundFigure(median(ours));
  const load = loadavg()[0] ?? 0;
  return reportFigures({
    rentToSshMs: { value, unit: 'ms', target: null, floor, ratio: roundFigure(value / floor) },
    rentToSshP90Ms: {
      value: roundFigure(quantile(ours, 0.9)),
      unit: 'ms',
      target: null,
      floor: roundFigure(quantile(floors, 0.9)),
    },
    rentToReadyMs: { value: roundFigure(median(readyMs)), unit: 'ms', target: null },
    ratioOfMedians: { value: roundFigure(value / floor), unit: 'ratio', target: { atMost: TARGET_RATIO } },
    n: { value: ours.length, unit: 'count', target: null },
    load1m: { value: roundFigure(load), unit: 'load', target: null },
  });
}

async function mustLogIn(target: Parameters<typeof sshRun>[0]): Promise<void> {
  const { exit, stderr } = await sshRun(target, 'true');
  if (exit !== 0) throw new Error(`ssh ended with ${exit}: ${stderr}`);
}

async function stop(
  world: World,
  client: Awaited<ReturnType<World['newRenter']>>['client'],
  rental: Rental,
): Promise<void> {
  await client.call('stopRental', { params: { rentalId: rental.rentalId } });
  await client.call('getRental', {
    params: { rentalId: rental.rentalId },
    query: { waitFor: 'ended', waitMs: 30_000 },
  });
  await until('the pod to be removed', 20_000, async () => (await world.containers()).length === 0);
}

async function inspectPod(world: World): Promise<Inspected> {
  const [id] = await world.containers();
  if (id === undefined) throw new Error('the rented pod has no container');
  const inspected = await engineCall<Inspected>(world.dockerSocket, 'GET', `/containers/${id}/json`);
  // The lease's own folder (host key, authorized keys) goes with the lease: the floor mounts a copy of it.
  const mounts: Mount[] = [];
  for (const mount of inspected.HostConfig.Mounts ?? []) {
    mounts.push(
      mount.Target === '/run/celium' ? { ...mount, Source: await copyLeaseFolder(world, mount.Source) } : mount,
    );
  }
  return { ...inspected, HostConfig: { ...inspected.HostConfig, Mounts: mounts } };
}

async function copyLeaseFolder(world: World, from: string): Promise<string> {
  const { readdir, stat, chown, chmod } = await import('node:fs/promises');
  const to = join(world.stateDir, 'floor');
  const folder = await stat(from);
  await mkdir(to, { recursive: true });
  await chown(to, folder.uid, folder.gid);
  await chmod(to, folder.mode & 0o777);
  await chmod(world.stateDir, 0o755);
  for (const name of await readdir(from)) {
    const source = await stat(join(from, name));
    if (!source.isFile()) continue;
    await copyFile(join(from, name), join(to, name));
    await chown(join(to, name), source.uid, source.gid);
    await chmod(join(to, name), source.mode & 0o777);
  }
  return to;
}

/** The same container by the raw Engine API, and the same ssh. */
async function measureFloor(
  world: World,
  copy: Inspected,
  keyFile: string,
  rental: Rental,
  knownHostsFile: string,
): Promise<number> {
  if (rental.ssh === null) throw new Error('the rental had no port');
  const { host, port, hostKey } = rental.ssh;
  const network = copy.HostConfig.NetworkMode;
  const networks = await engineCall<Array<{ Name: string }>>(world.dockerSocket, 'GET', '/networks');
  const free = networks.find(({ Name }) => Name === network) ?? networks.find(({ Name }) => Name.startsWith('cel-'));
  const { Image, Env, Cmd, ExposedPorts } = copy.Config;
  const HostConfig = { ...copy.HostConfig, NetworkMode: free?.Name ?? 'bridge' };
  const startedMs = performance.now();
  const { Id } = await engineCall<{ Id: string }>(world.dockerSocket, 'POST', '/containers/create', {
    Image,
    Env,
    Cmd,
    ExposedPorts,
    HostConfig,
  });
  try {
    await engineCall(world.dockerSocket, 'POST', `/containers/${Id}/start`);
    await untilSshBanner(host, port);
    await mustLogIn({ host, port, hostKey, keyFile, knownHostsFile });
    return performance.now() - startedMs;
  } finally {
    await engineCall(world.dockerSocket, 'DELETE', `/containers/${Id}?force=true`);
  }
}
