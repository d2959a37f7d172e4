/** Writes one example of every signed document and of every frame between agent and market into packages/contract/golden. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  commitToDecoys,
  decoyLeaf,
  documentHash,
  EMPTY_LOG_HASH,
  keyFromUri,
  nextLogEntry,
  signConsent,
  signDocument,
  signRequest,
  toHex,
} from '@celium/chain';
import {
  canonicalJson,
  type AgentFrame,
  type BarrierStatement,
  type DecoyDisclosure,
  type Inventory,
  type LeaseRequest,
  type MarketFrame,
  type Receipt,
  type Verification,
} from '@celium/contract';
import { barrierCommitment } from '@celium/domain';
import { incentivePolicyExample } from './golden-incentive-policy.ts';
import {
  longestMachineReceipt,
  passedMachineReceipt,
  vantageReportExample,
  type ExampleFacts,
} from './golden-machine-receipts.ts';

/** Where the examples lie. */
export const goldenFolder = join(import.meta.dirname, '../packages/contract/golden');

/** Well-known development keys whose signatures need no randomness here, so that every run writes the same bytes. */
const key = (uri: string): ReturnType<typeof keyFromUri> => keyFromUri(uri, { randomBytes: (n) => new Uint8Array(n) });
const hotkey = key('//Alice');
const coldkey = key('//Alice//stash');
const market = key('//Bob');
const validator = key('//Charlie');
const machine = key('//Dave');

const T = 1_790_000_000_000;
const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH';
const USER_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI';
const UNIT = 'GPU-5f3b0a1c-0000-4000-8000-000000000001';

/** Every example by its file name below the folder, without `.json`. The same call gives the same bytes. */
export async function goldenExamples(): Promise<Record<string, unknown>> {
  const documents = await documentExamples();
  return {
    ...prefixed('documents', documents),
    ...prefixed('log-entries', decoyExamples(documents.receipt)),
    ...frameExamples(documents),
    'signed-request': await requestExample(),
  };
}

async function documentExamples() {
  const agreed = { hotkey: hotkey.ss58, machineId: 'rack-1', issuedAtMs: T };
  const manifest = await signDocument('manifest', await manifestExample(), hotkey);
  const request = await signDocument('lease-request', requestBody(), market);
  const ids = { bootId: id(90), agentInstanceId: id(91) };
  const grant = await signDocument(
    'grant',
    {
      leaseId: id(2),
      requestId: id(1),
      requestHash: documentHash(request),
      authority: toHex(market.publicKey),
      machineId: 'rack-1',
      units: [UNIT],
      fence: T + 50,
      kind: 'paid',
      termMs: 86_400_000,
      hostKey: HOST_KEY,
      ports: [
        { pod: 22, host: 40_001 },
        { pod: 8_080, host: 40_002 },
      ],
      ...ids,
      issuedAtMs: T + 50,
    },
    machine,
  );
  const refusal = await signDocument(
    'lease-refusal',
    {
      requestId: id(3),
      machineId: 'rack-1',
      code: 'UNITS_BUSY',
      message: 'Another lease holds the unit; its grant is shown.',
      busyWith: grant,
      issuedAtMs: T + 60,
    },
    machine,
  );
  const command = (sequence: number, action: 'stop' | 'renew' | 'set-ssh-keys') =>
    signDocument(
      'lease-command',
      {
        leaseId: id(2),
        requestId: id(1),
        machineId: 'rack-1',
        fence: T + 50,
        sequence,
        action:
          action === 'stop'
            ? { type: action }
            : action === 'renew'
              ? { type: action, termMs: 86_400_000 }
              : { type: action, sshKeys: [USER_KEY] },
        issuedAtMs: T + 70,
      },
      market,
    );
  const receipt = await signDocument('receipt', receiptBody(documentHash(grant), true), validator);
  const failed = await signDocument('receipt', receiptBody(documentHash(grant), false), validator);
  const paired = await signDocument('receipt', pairReceiptBody(documentHash(grant)), validator);
  const verification = await signDocument('verification', verificationBody(documentHash(grant)), coldkey);
  const machineFacts = (receiptId: string): ExampleFacts => ({
    receiptId,
    validator: validator.ss58,
    hotkey: hotkey.ss58,
    machineKey: toHex(key('//Eve').publicKey),
    grantHash: documentHash(grant),
    hostKeyHash: hash(HOST_KEY),
    blockHash: hash('block 1234'),
    startedAtMs: T + 100,
  });
  const first = nextLogEntry({ height: 0, hash: EMPTY_LOG_HASH }, 'grant', grant, T + 80);
  return {
    manifest,
    'machine-consent': await signDocument('machine-consent', agreed, machine),
    'lease-request': request,
    grant,
    'lease-refusal': refusal,
    'lease-command': await command(4, 'stop'),
    'lease-command.renew': await command(2, 'renew'),
    'lease-command.set-ssh-keys': await command(3, 'set-ssh-keys'),
    receipt,
    'receipt.fail': failed,
    'receipt.pair': paired,
    barrier: await signDocument('barrier', barrierBody(null), validator),
    'barrier.disclosed': await signDocument('barrier', barrierBody('5e'.repeat(32)), validator),
    verification,
    inventory: await signDocument('inventory', inventoryBody(ids), machine),
    'machine-receipt': await signDocument('machine-receipt', passedMachineReceipt(machineFacts(id(15))), validator),
    'machine-receipt.fail': await signDocument(
      'machine-receipt',
      longestMachineReceipt(machineFacts(id(16))),
      validator,
    ),
    'incentive-policy': await signDocument('incentive-policy', incentivePolicyExample(T), key('//Ferdie')),
    'vantage-report': await signDocument('vantage-report', vantageReportExample(T + 100), validator),
    'log-head': await signDocument('log-head', { height: 1, hash: first.hash, atMs: T + 80 }, machine),
    'log-entry': first,
  };
}

/** Bodies of log entries that carry no signature of their own: a commitment to one decoy, and what opens it. */
function decoyExamples(receipt: DecoyDisclosure['decoys'][number]['receipts'][number]) {
  const period = Math.floor(T / 3_600_000);
  const facts = {
    decoyId: id(20),
    salt: hash('salt of a decoy'),
    market: toHex(market.publicKey),
    rentalId: id(21),
    grantHash: receipt.body.grantHash,
    hotkey: receipt.body.hotkey,
    machineKey: receipt.body.machineKey,
    units: [receipt.body.unit],
    startedAtMs: T + 90,
  };
  const leaves = [decoyLeaf(facts)];
  const salt = hash('salt of the hour');
  const decoy = {
    facts,
    endedAtMs: T + 20_200,
    chargedMicroUsd: '1200',
    outcome: 'CHECKED',
    receipts: [receipt],
  };
  return {
    'decoy-commitment': commitToDecoys(period, salt, leaves),
    'decoys-disclosed': { period, salt, leaves, decoys: [decoy] },
  };
}

function inventoryBody(ids: Pick<Inventory, 'bootId' | 'agentInstanceId'>): Inventory {
  return {
    machineId: 'rack-1',
    ...ids,
    takenAtMs: T + 90,
    host: {
      cpuModel: 'AMD EPYC 9654 96-Core Processor',
      cpuCores: 192,
      cpuFlags: ['avx2', 'avx512f', 'sha_ni'],
      memoryBytes: 1_622_650_073_088,
      memoryAvailableBytes: 1_500_000_000_000,
      diskBytes: 7_681_501_126_656,
      diskFreeBytes: 7_000_000_000_000,
      kernel: '6.8.0-51-generic',
    },
    engine: { version: '28.5.1', storageDriver: 'overlay2', usernsRemap: true, podFilter: true },
    containers: { leased: 1, leaked: 0, otherAgents: 0, foreign: 2, foreignRunning: 1 },
    driverUnits: [UNIT],
    nvml: {
      driver: '570.86.15',
      cuda: '12.8',
      mpsRunning: false,
      gpus: [
        {
          unit: UNIT,
          name: 'NVIDIA H200',
          memoryBytes: 150_754_820_096,
          memoryUsedBytes: 145_000_000_000,
          mig: { enabled: false, instances: [] },
          pcie: { generation: 5, maxGeneration: 5, width: 8, maxWidth: 16 },
          clocks: { smMhz: 1980, maxSmMhz: 1980, memoryMhz: 3201, maxMemoryMhz: 3201 },
          power: { limitMilliwatts: 700_000, defaultLimitMilliwatts: 700_000 },
          temperatureC: 61,
          throttle: [],
          ecc: { corrected: 3, uncorrected: 0 },
          xids: [{ code: 79, atMs: T - 60_000 }],
          uses: [
            { by: 'host', leaseId: null, processes: 1, memoryBytes: 4_194_304 },
            { by: 'lease', leaseId: id(2), processes: 2, memoryBytes: null },
          ],
          moreUses: 0,
        },
      ],
    },
    nvmlAbsent: null,
  };
}

async function manifestExample() {
  const shared = {
    publicHost: '203.0.113.7',
    markets: [{ url: 'https://market.example', key: toHex(market.publicKey) }],
    payoutColdkey: coldkey.ss58,
  };
  const gpuMachine = {
    ...shared,
    machineId: 'rack-1',
    machineKey: toHex(machine.publicKey),
    consent: await signConsent(machine, { hotkey: hotkey.ss58, machineId: 'rack-1', issuedAtMs: T }),
    agentUrl: 'https://203.0.113.7:8443',
    tlsKeyHash: hash('tls key of rack-1'),
    portRange: { from: 40_000, to: 40_999 },
    units: [UNIT, UNIT.replace(/1$/, '2')],
    offer: { priceMicroUsdPerUnitHour: '2100000', committedUntilMs: T + 7 * 86_400_000 },
    host: { cpuCores: 64, memoryBytes: 549_755_813_888, diskBytes: 4_000_000_000_000, location: 'Falkenstein' },
  };
  const cpuMachine = {
    ...shared,
    machineId: 'laptop',
    machineKey: toHex(key('//Eve').publicKey),
    consent: await signConsent(key('//Eve'), { hotkey: hotkey.ss58, machineId: 'laptop', issuedAtMs: T }),
    agentUrl: 'https://203.0.113.7:8444',
    tlsKeyHash: hash('tls key of laptop'),
    portRange: { from: 41_000, to: 41_099 },
    units: ['cpu:laptop'],
    offer: { priceMicroUsdPerUnitHour: '20000', committedUntilMs: 0 },
    declaredWorkPerSecond: 1_500_000,
    host: { cpuCores: 2, memoryBytes: 8_589_934_592, diskBytes: 100_000_000_000 },
  };
  return { hotkey: hotkey.ss58, netuid: 51, serial: 1, issuedAtMs: T, machines: [gpuMachine, cpuMachine] };
}

function requestBody(): LeaseRequest {
  const pod = { image: 'celium/base:bookworm', env: { MODEL: 'small' }, ports: [8_080], volumeBytes: 0 };
  return {
    requestId: id(1),
    authorityKind: 'market',
    machineId: 'rack-1',
    machineKey: toHex(machine.publicKey),
    units: [UNIT],
    kind: 'paid',
    pod,
    podDigest: hash(canonicalJson(pod)),
    termMs: 86_400_000,
    sshKeys: [USER_KEY],
    sequence: 1,
    issuedAtMs: T + 10,
  };
}

function receiptBody(grantHash: string, pass: boolean): Receipt {
  return {
    receiptId: id(pass ? 5 : 6),
    validator: validator.ss58,
    hotkey: hotkey.ss58,
    machineId: 'laptop',
    machineKey: toHex(key('//Eve').publicKey),
    unit: 'cpu:laptop',
    grantHash,
    hostKeyHash: hash(HOST_KEY),
    barrierId: 'cpu:laptop',
    blockNumber: 1_234,
    blockHash: hash('block 1234'),
    params: 'cgp1/params/1:cpu-demo',
    onboarding: true,
    transcriptHash: hash('transcript'),
    verdict: pass ? 'pass' : 'fail',
    reason: pass
      ? { code: 'OK', message: 'every sampled answer is exact and the chain was done in time' }
      : { code: 'late', message: 'the chain took 31000 ms, at most 12500 ms were allowed' },
    measured: {
      class: 'CPU',
      workPerSecond: 1_480_000,
      memoryBytes: 67_108_864,
      sweepBytesPerSecond: 0,
      walkHopsPerSecond: 0,
      int8OpsPerSecond: 0,
      proofMs: pass ? 9_800 : 31_000,
      deadlineMs: 12_500,
      rttMs: 0.8,
    },
    proof: {
      params: { version: 'cgp1/params/1', sizeClass: 'cpu-demo', purpose: 'onboarding', memoryBytes: 67_108_864 },
      figures: {
        workUnits: 14_500_000,
        elapsedMs: pass ? 9_800 : 31_000,
        limitMs: 12_500,
        fillMs: 2_100,
        rttMinMs: 1,
        declaredRateUnitsPerSecond: 1_500_000,
        measuredRateUnitsPerSecond: 1_480_000,
        memoryBytes: 67_108_864,
        bytesReceived: 180_000,
        tiles: 64,
        leaves: 64,
        walks: 16,
      },
    },
    tested: 1,
    leased: 1,
    startedAtMs: T + 100,
    endedAtMs: T + 20_100,
  };
}

/** One of eight H100, which led a pair. */
function pairReceiptBody(grantHash: string): Receipt {
  const { proof: _, ...passed } = receiptBody(grantHash, true);
  return {
    ...passed,
    receiptId: id(7),
    machineId: 'rack-1',
    unit: 'GPU-0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0',
    barrierId: '5c'.repeat(16),
    params: 'cgp1/params/1:gpu-hopper',
    measured: {
      class: 'H100',
      workPerSecond: 712,
      memoryBytes: 80_530_636_800,
      sweepBytesPerSecond: 2_900_000_000_000,
      walkHopsPerSecond: 3_100_000_000,
      int8OpsPerSecond: 1_600_000_000_000_000,
      bf16OpsPerSecond: 800_000_000_000_000,
      proofMs: 28_100,
      deadlineMs: 58_200,
      rttMs: 12,
    },
    pair: {
      peer: 'GPU-1b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0',
      verdict: 'pass',
      code: 'OK',
      bytes: 2_375_680_000_000,
      elapsedMs: 3_204,
      bytesPerSecond: 741_473_158_551,
      transcriptHash: hash('pair transcript'),
    },
    tested: 8,
    leased: 0,
  };
}

function barrierBody(secret: string | null): BarrierStatement {
  const epochHash = hash('epoch block');
  const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();
  return {
    validator: validator.ss58,
    netuid: 51,
    epochBlock: 1_080,
    epochHash,
    commitment: toHex(barrierCommitment(epochHash, '5e'.repeat(32), sha256)),
    secret,
    issuedAtMs: T + 90,
  };
}

function verificationBody(grantHash: string): Verification {
  const { receiptId: _, validator: __, tested: ___, leased: ____, ...shared } = receiptBody(grantHash, true);
  return {
    ...shared,
    verificationId: id(8),
    verifier: coldkey.ss58,
    listed: { class: 'CPU', verdict: 'pass' },
  } as Verification;
}

function frameExamples(documents: Awaited<ReturnType<typeof documentExamples>>): Record<string, unknown> {
  const identity = { machineId: 'rack-1', bootId: id(90), agentInstanceId: id(91) };
  const lease = {
    leaseId: id(2),
    requestId: id(1),
    fence: T + 50,
    state: 'ready' as const,
    podInstance: hash('container'),
    cumulativeMs: 61_000,
    goneReason: null,
    detail: null,
  };
  const gone = {
    ...lease,
    state: 'gone' as const,
    cumulativeMs: 75_500,
    goneReason: 'stopped' as const,
    detail: 'stopped by its authority',
  };
  const manifest = documents.manifest;
  const agent: AgentFrame[] = [
    { type: 'hello', ...identity, version: '0.1.0', manifest, leases: [lease], units: [UNIT] },
    { type: 'heartbeat', ...identity, leases: [lease] },
    { type: 'lease-status', ...identity, lease: gone },
    { type: 'inventory', inventory: documents.inventory },
    { type: 'grant', grant: documents.grant },
    { type: 'lease-refusal', refusal: documents['lease-refusal'] },
    { type: 'command-result', leaseId: id(2), sequence: 4, ok: true },
    { type: 'logs', queryId: id(7), ok: true, text: 'listening on 8080\n' },
  ];
  const back: MarketFrame[] = [
    { type: 'welcome', marketKey: toHex(market.publicKey), marketTimeMs: T, heartbeatIntervalMs: 10_000 },
    { type: 'lease-request', request: documents['lease-request'] },
    { type: 'lease-command', command: documents['lease-command'] },
    { type: 'gone-noted', leaseId: id(2) },
    { type: 'logs-query', queryId: id(7), leaseId: id(2), tailLines: 200 },
  ];
  return {
    ...prefixed('frames/agent', Object.fromEntries(agent.map((frame) => [frame.type, frame]))),
    ...prefixed('frames/market', Object.fromEntries(back.map((frame) => [frame.type, frame]))),
  };
}

/** A signed request: what was sent, and the headers that sign it. */
async function requestExample() {
  const request = { method: 'POST', path: '/v1/leases?wait=1', body: '{"a":1}', audience: toHex(machine.publicKey) };
  const clock = { now: () => T, randomBytes: (length: number) => new Uint8Array(length).fill(9) };
  return { request, headers: await signRequest(request, market, clock) };
}

function prefixed(folder: string, examples: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(examples).map(([name, example]) => [`${folder}/${name}`, example]));
}

if (process.argv[1] === import.meta.filename) {
  for (const [name, example] of Object.entries(await goldenExamples())) {
    const file = join(goldenFolder, `${name}.json`);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, `${JSON.stringify(example, null, 2)}\n`);
  }
}
