/** A machine whose owner writes down all there is to see: frames of the market, containers, keys let in, each login. Agent and market are the real ones. */

import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { keyFromUri } from '@celium/chain';
import { marketFrame, type ManifestMachine, type MarketFrame, type Signed } from '@celium/contract';
import { systemClock } from '../../apps/agent/src/clock.ts';
import { silentLog } from '../../apps/agent/src/log.ts';
import { MarketLinks } from '../../apps/agent/src/market/market-links.ts';
import type { OwnManifest } from '../../apps/agent/src/manifest/manifest-source.ts';
import type { PodContainer } from '../../apps/agent/src/pods/plain-profile.ts';
import { AgentInMemory } from '../../apps/agent/src/testing/agent-in-memory.ts';
import type { TestMarket } from '../../apps/control-plane/src/testing/test-market.ts';
import { startRecordingPod, type OnShell, type RecordingPod } from '../../apps/validator/src/testing/recording-pod.ts';

/** The key of the agent in memory, which is its provider's hotkey too. */
export const MACHINE = keyFromUri('//Machine');

/** Everything about one lease. */
export interface SeenLease {
  request: Signed<'lease-request'>;
  grant: Signed<'grant'>;
  container: PodContainer;
  keysLetIn: readonly string[];
  pod: RecordingPod;
  /** Types of the frames from the request to the end of the lease. */
  frames: MarketFrame[];
}

export class TappedMachine {
  readonly agent = new AgentInMemory(['cpu:m']);
  readonly frames: MarketFrame[] = [];
  readonly #pods = new Map<string, RecordingPod>();
  readonly #onShell: OnShell;
  #links: MarketLinks | null = null;
  #tap = createServer();
  readonly #sockets = new Set<Socket>();

  constructor(onShell: OnShell) {
    this.#onShell = onShell;
  }

  get machine(): ManifestMachine {
    return this.agent.machine;
  }

  /** Connects to the market through a tap on the wire. */
  async join(market: TestMarket): Promise<void> {
    const { port, hostname } = new URL(market.url);
    this.#tap = createServer((socket) => this.#relay(socket, connect(Number(port), hostname)));
    await new Promise<void>((resolve) => this.#tap.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(this.#tap.address() as AddressInfo).port}`;
    const { agent } = this;
    agent.machine = {
      ...agent.machine,
      publicHost: '127.0.0.1',
      portRange: { from: 34_000 + Math.floor(Math.random() * 400) * 10, to: 39_999 },
      offer: { priceMicroUsdPerUnitHour: '360000', committedUntilMs: 0 },
      declaredWorkPerSecond: 100,
      markets: [{ url, key: market.marketKey }],
    };
    agent.clock.jump(Date.now() - agent.clock.nowMs());
    agent.awaitBanner = (_hosts, podPort) => this.#startPod(podPort);
    await agent.start();
    const manifest: OwnManifest = { signed: await agent.manifest(), machine: agent.machine, revoked: false };
    const { identity, desk, reconciler, store } = agent;
    const links = new MarketLinks({
      identity,
      manifest: () => manifest,
      desk,
      reconciler,
      store,
      // A host that cannot be looked at: its links go on without.
      inventory: { read: () => Promise.reject(new Error('no inventory here')) },
      readLogs: (podId) => agent.engine.readLogs(podId),
      clock: systemClock,
      randomBytes: (length) => new Uint8Array(randomBytes(length)),
      version: '0.0.0',
      log: silentLog,
    });
    this.#links = links;
    reconciler.onStatus(links.tell);
    reconciler.onRegrant((record) => links.tellGrant(record));
    links.follow(manifest);
  }

  /** What was seen of a lease, by its request. */
  leaseOf(request: Signed<'lease-request'>): SeenLease {
    const record = this.agent.store.all().find((one) => one.grant.body.requestId === request.body.requestId);
    if (record === undefined) throw new Error('the request was not granted');
    const { leaseId } = record.grant.body;
    const container = this.containers.get(leaseId);
    const pod = this.#pods.get(leaseId);
    if (container === undefined || pod === undefined) throw new Error('the lease had no pod');
    const keysLetIn = this.keys.get(leaseId) ?? [];
    const from = this.frames.findIndex(
      (one) => one.type === 'lease-request' && one.request.body.requestId === request.body.requestId,
    );
    return { request, grant: record.grant, container, keysLetIn, pod, frames: this.frames.slice(from) };
  }

  /** Requests in the order in which they came. */
  get requests(): Array<Signed<'lease-request'>> {
    return this.frames.flatMap((frame) => (frame.type === 'lease-request' ? [frame.request] : []));
  }

  readonly containers = new Map<string, PodContainer>();
  readonly keys = new Map<string, readonly string[]>();

  async #startPod(port: number): Promise<void> {
    const record = this.agent.store.all().findLast((one) => one.grant.body.ports.some(({ host }) => host === port));
    if (record === undefined) throw new Error(`no lease has port ${port}`);
    const { leaseId, hostKey } = record.grant.body;
    if (this.#pods.has(leaseId)) return;
    const container = [...this.agent.engine.pods.values()].find((pod) => pod.leaseId === leaseId)?.container;
    if (container !== undefined) this.containers.set(leaseId, container);
    const keys = this.agent.keysOfPods.get(leaseId) ?? [];
    this.keys.set(leaseId, keys);
    const privateKey = this.agent.hostKeysOfPods.get(leaseId) ?? '';
    const pod = await startRecordingPod(keys, {
      hostKey: { publicLine: hostKey, privateKey },
      port,
      onShell: this.#onShell,
    });
    this.#pods.set(leaseId, pod);
  }

  #relay(socket: Socket, upstream: Socket): void {
    for (const one of [socket, upstream]) this.#sockets.add(one.on('error', () => {}));
    socket.pipe(upstream).pipe(socket);
    let waiting = Buffer.alloc(0);
    let upgraded = false;
    upstream.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      if (!upgraded) {
        const end = waiting.indexOf('\r\n\r\n');
        if (end < 0) return;
        waiting = waiting.subarray(end + 4);
        upgraded = true;
      }
      for (let frame = readFrame(waiting); frame !== null; frame = readFrame(waiting)) {
        waiting = waiting.subarray(frame.bytes);
        if (frame.text !== null) this.frames.push(marketFrame.parse(JSON.parse(frame.text)));
      }
    });
  }

  close(): void {
    this.#links?.stop();
    for (const pod of this.#pods.values()) pod.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#tap.close();
    this.agent.destroy();
  }
}

/** One WebSocket frame of a server (unmasked, whole); null while more has to come. `text` is null for pings and the like. */
function readFrame(bytes: Buffer): { bytes: number; text: string | null } | null {
  if (bytes.length < 2) return null;
  const short = bytes.readUInt8(1);
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  if (bytes.length < 2 + lengthBytes) return null;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  const from = 2 + lengthBytes;
  if (bytes.length < from + length) return null;
  const isText = (bytes.readUInt8(0) & 0x0f) === 1;
  return { bytes: from + length, text: isText ? bytes.subarray(from, from + length).toString('utf8') : null };
}
