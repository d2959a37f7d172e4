/** A thousand hosts that do everything wrong at once, and one validator that ends each of them with a reason, in time, at bounded memory. */

import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { canonicalJson, DOCUMENTS } from '@celium/contract';
import { CHALLENGE_LIMITS, proofParams, proverBounds } from '@celium/proof';
import { afterEach, expect, test } from 'vitest';
import { createApi } from './api/server.ts';
import { VerificationDesk } from './renters/verification-desk.ts';
import { createReport } from './report.ts';
import { Inventories } from './state/inventories.ts';
import { UnitRegistry } from './state/unit-registry.ts';
import { openHostileHosts, type HostileHosts } from './testing/hostile-hosts.ts';
import { hostileKinds, type HostKind } from './testing/hostile-manners.ts';

const HOSTS = 1_000;
/** Among the hostile ones, at places that have nothing to do with their kinds. */
const HONEST_EVERY = 250;
/** A guard against hanging: the run takes some ten seconds of CPU. */
const PATIENCE_MS = 180_000;

const HONEST: HostKind = { name: 'honest', ends: ['receipt', 'OK'] };

const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

function crowd(hosts: number): HostKind[] {
  const kinds: HostKind[] = [];
  while (kinds.length < hosts) kinds.push(...hostileKinds());
  return kinds
    .slice(0, hosts)
    .flatMap((kind, index) => (index % HONEST_EVERY === HONEST_EVERY / 2 ? [kind, HONEST] : [kind]));
}

/**
 * The most virtual time that a visit may take: a pod that is never ready, a login, and in each phase of the challenge all that its limit
 * allows; then three tries to stop the lease.
 */
function longestVisitMs(): number {
  const { helloMs, probeMs, probeSeriesMs, fillSlackMs, openMs } = CHALLENGE_LIMITS;
  const [readyMs, chainMs, stopMs] = [180_000, 5_000, 3_000];
  return readyMs + helloMs + 2 * (probeMs + probeSeriesMs) + 2 * fillSlackMs + chainMs + openMs + stopMs;
}

/** Bytes on this process's heaps after full collections, with time between them for what is freed a turn later. */
async function heldBytes(): Promise<number> {
  v8.setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 3; round += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function open(kinds: readonly HostKind[]): Promise<HostileHosts> {
  const hosts = await openHostileHosts(kinds);
  closers.push(() => hosts.bench.close());
  return hosts;
}

function endOf(line: Record<string, unknown>): readonly [string, string] {
  const { code } = line['reason'] as { code: string };
  return [line['receiptId'] === undefined ? String(line['verdict']) : 'receipt', code];
}

test(
  '1,000 hostile hosts at once: each ends with its reason in time, honest ones among them pass, and memory stays bounded',
  { timeout: PATIENCE_MS },
  async () => {
    const kinds = crowd(HOSTS);
    const { scheduler, time, lines, ports, openShells, kindOf } = await open(kinds);
    const before = await heldBytes();
    scheduler.startDue(new AbortController().signal);
    expect(scheduler.retained().checking).toBe(kinds.length);
    // Floods have poured all they could and stalls have begun: nobody will ever hold more than now.
    await time.run(() => time.nowMs() >= 30_000);
    const heldPerHost = ((await heldBytes()) - before) / kinds.length;
    await time.run(() => scheduler.retained().checking === 0);

    // Some 20 kB, most of it documents and the hosts themselves; a single host may send twenty times as much.
    expect(heldPerHost).toBeLessThan(65_536);
    expect(lines).toHaveLength(kinds.length);
    for (const line of lines) {
      const kind = kindOf(String(line['machineId']));
      expect([kind.name, ...endOf(line)]).toEqual([kind.name, ...kind.ends]);
      expect(line['checkMs']).toBeLessThanOrEqual(longestVisitMs());
    }
    expect(lines.filter((line) => line['verdict'] === 'pass')).toHaveLength(
      kinds.filter((kind) => kind === HONEST).length,
    );

    const receipts = ports.receipts.newest(2 * kinds.length);
    expect(receipts).toHaveLength(kinds.filter((kind) => kind.ends[0] === 'receipt').length);
    const flood = proverBounds(proofParams('micro', 'onboarding')).bytes + 65_536;
    for (const { body } of receipts) {
      expect(Buffer.byteLength(canonicalJson(body))).toBeLessThanOrEqual(DOCUMENTS.receipt.maxBytes);
      const { figures } = (body['proof'] ?? { figures: { bytesReceived: 0 } }) as {
        figures: { bytesReceived: number };
      };
      expect(figures.bytesReceived).toBeLessThanOrEqual(flood);
    }

    expect(openShells.size).toBe(0);
    expect(ports.timing.size).toBe(0);
    expect(ports.running.size).toBe(0);
    // What is still open is what could not be stopped or never was granted: the sweep looks after it.
    const left = new Set(ports.journal.open().map((lease) => kindOf(lease.request.body.machineId)));
    expect([...left].every((kind) => kind.deaf === true || kind.grant !== undefined)).toBe(true);
  },
);

/** What a terminal obeys, line breaks apart. */
const STEERS = /[\p{C}\u2028\u2029]/u;

test('nothing that hostile hosts said is in a log, a receipt, a status page or an answer as they said it', async () => {
  const hosts = await open(hostileKinds());
  const { scheduler, time, lines, ports } = hosts;
  scheduler.startDue(new AbortController().signal);
  await time.run(() => scheduler.retained().checking === 0);
  const outputs: string[] = [];
  const out = { write: (text: string) => outputs.push(text) };
  for (const json of [true, false]) lines.forEach(createReport(json, out));
  expect(outputs).toHaveLength(2 * lines.length);
  for (const text of outputs) expect(text.match(/\n/g)).toHaveLength(1);
  const api = createApi({
    ...ports,
    registry: new UnitRegistry(hosts.bench.database, ports.directory),
    inventories: new Inventories(hosts.bench.database),
    barriers: { statement: async () => null, mayJoin: () => false },
    status: () => ({ machines: scheduler.describe() }),
    desk: new VerificationDesk({ ...ports, machineOf: () => null }),
    handOvers: {
      machineOf: () => null,
      checkNow: (...ask) => scheduler.checkNow(...ask),
      signal: new AbortController().signal,
    },
  });
  closers.push(() => void api.close());
  const [first] = ports.receipts.newest(1);
  for (const url of [
    '/v1/status',
    '/v1/receipts?limit=1000',
    '/v1/log?limit=1000',
    `/v1/proofs/${first?.body.receiptId}`,
  ]) {
    const answer = await api.inject({ url });
    expect(answer.statusCode, url).toBe(200);
    outputs.push(answer.body);
  }
  outputs.push(...ports.receipts.newest(1_000).map((receipt) => canonicalJson(receipt)));
  // The hosts' words are there, or this would prove nothing; what they would have done is not.
  expect(outputs.join('')).toContain('owned');
  for (const text of outputs) expect(STEERS.test(text.replaceAll('\n', ''))).toBe(false);
});
