/** What people see of a machine besides its units: figures with dates, the reasons of failures, alarms, and nothing that steers their terminal. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Offer } from '@celium/contract';
import { printableLines } from '@celium/domain';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startMarketServer, type MarketServer } from '../testing/market-server.ts';
import { parseCoordinates } from './flags.ts';
import { passOn } from './serve.ts';
import { SAMPLE_OFFER, SAMPLE_TIME_MS } from '../testing/samples.ts';
import { runCelium } from '../testing/terminal.ts';

const HOUR_MS = 3_600_000;
const part = {
  receiptId: SAMPLE_OFFER.receiptId ?? '',
  validator: SAMPLE_OFFER.hotkey,
  testedAtMs: SAMPLE_TIME_MS - 2 * HOUR_MS,
};
const passed = { ...part, verdict: 'pass' as const, code: 'OK' };
const SEEN: Offer = {
  ...SAMPLE_OFFER,
  verdict: 'fail',
  host: { ...SAMPLE_OFFER.host, coordinates: { latitude: -33.87, longitude: 151.21 } },
  machineCheck: {
    verdict: 'fail',
    parts: {
      storage: {
        ...part,
        verdict: 'fail',
        code: 'DISK_WRONG_DATA',
        message: 'what was read is not what was written\u001b[2J',
        figures: { bytesWritten: 1_073_741_824, bytesRead: 4_194_304, readP50Ms: 0.4, readP90Ms: 0.9, readP99Ms: 1.2 },
      },
      image: { ...passed, message: '', figures: { imageBytes: 12_000_000_000, deployMs: 200_000 } },
      ports: { ...passed, message: '', figures: { tried: 8, reached: 8, rangeReached: 24, rangePorts: 100 } },
      network: {
        ...passed,
        message: 'one vantage point: the validator alone',
        figures: { upBytesPerSecond: 12_000_000, downBytesPerSecond: 30_000_000, vantages: 1 },
      },
    },
  },
  hostAlarms: {
    seenAtMs: SAMPLE_TIME_MS - 60_000,
    watched: true,
    alarms: [
      {
        code: 'LEAKED_CONTAINER',
        unit: null,
        detail: '2 containers of the agent have no open lease',
        concernsRenters: false,
      },
      { code: 'ECC_ERRORS', unit: 'GPU-5f3b0a1c', detail: '3 uncorrected memory errors\u202e', concernsRenters: true },
    ],
  },
};

test.each([
  ['60.17,24.94', { latitude: 60.17, longitude: 24.94 }],
  ['-90,-180', { latitude: -90, longitude: -180 }],
])('%s is a place', (typed, place) => {
  expect(parseCoordinates(typed)).toEqual(place);
});

test.each(['', '60.17', '91,0', '0,181', '1e1,2', '60.17,24.94,1', ',', 'NaN,NaN'])('%j is no place', (typed) => {
  expect(() => parseCoordinates(typed)).toThrow('no place in degrees');
});

test('a value that begins with a minus reaches the program as a value', () => {
  expect(passOn({ coordinates: '-33.87,151.21', template: ['a.json', 'b.json'], once: true })).toEqual([
    '--coordinates=-33.87,151.21',
    '--template',
    'a.json',
    '--template',
    'b.json',
    '--once',
  ]);
});

let home: string;
let market: MarketServer | null = null;
beforeEach(() => {
  market = null;
  home = mkdtempSync(join(tmpdir(), 'celium-machine-view-'));
});
afterEach(async () => {
  await market?.close();
  rmSync(home, { recursive: true });
});

const show = (...argv: string[]) => runCelium([...argv, '--market', market?.url ?? ''], { home, isTerminal: true });

test('an offer shows each part that was tested with its date, its figures and its reason, and what a renter should know of its host', async () => {
  market = await startMarketServer({ listOffers: () => ({ offers: [SEEN] }) });
  const { stdout, status } = await show('offer', '3f2a');
  expect(status).toBe(0);
  await expect(stdout).toMatchFileSnapshot('golden/offer.txt');
  expect(stdout).toBe(printableLines(stdout));
  expect(stdout).not.toContain('LEAKED_CONTAINER');
});

test('an offer of a machine that nobody looked at says so', async () => {
  market = await startMarketServer({ getOffer: () => SAMPLE_OFFER });
  const { stdout } = await show('offer', SAMPLE_OFFER.offerId);
  expect(stdout).toContain(
    'No validator has looked at disk, deploys, ports, network and location of this machine yet.',
  );
  expect(stdout).toContain('The host has told nothing of itself lately.');
});

test('an offer of several units says whether they are linked, at which rate, or that nobody measured it', async () => {
  const units = ['GPU-00000000-0000-4000-8000-000000000001', 'GPU-00000000-0000-4000-8000-000000000002'];
  const said = async (link: Offer['link']): Promise<string> => {
    market = await startMarketServer({ getOffer: () => ({ ...SAMPLE_OFFER, units, link }) });
    const { stdout } = await show('offer', SAMPLE_OFFER.offerId);
    await market.close();
    market = null;
    return /^linked +(.*?) *$/m.exec(stdout)?.[1] ?? '';
  };
  const measuredAtMs = Date.now();
  expect(await said(null)).toBe('not measured');
  expect(await said({ linked: true, bytesPerSecond: 712e9, measuredAtMs })).toMatch(
    /^yes, slowest pair 712 GB\/s, measured/,
  );
  expect(await said({ linked: false, bytesPerSecond: null, measuredAtMs })).toMatch(/^no, not every pair answered, /);
});

test('a provider sees the same of the own machine, and every alarm of the host', async () => {
  market = await startMarketServer({ listOffers: () => ({ offers: [SEEN] }) });
  const state = join(home, 'agent');
  const nowhere = join(home, 'nothing-here.sock');
  mkdirSync(state);
  const record = {
    pid: 2 ** 30,
    machineId: SEEN.machineId,
    machineKey: SEEN.machineKey,
    hotkeyFile: join(home, 'hotkey'),
    hotkey: SEEN.hotkey,
    socket: nowhere,
    marketUrls: [market?.url ?? ''],
    chainUrl: 'http://127.0.0.1:1',
  };
  writeFileSync(join(state, 'join.json'), JSON.stringify(record));
  const { stdout } = await show('provider', 'status', '--state', state);
  expect(stdout).toContain('DISK_WRONG_DATA: what was read is not what was written?[2J');
  expect(stdout).toContain('2026-09-21 12:13:20 (2 h ago)');
  expect(stdout).toMatch(/LEAKED_CONTAINER +host +2 containers/);
  expect(stdout).toMatch(/ECC_ERRORS +GPU-5f3b0a1c +3 uncorrected memory errors\?/);
  expect(stdout).toContain('This machine is watched');
  expect(stdout).toBe(printableLines(stdout));
});
