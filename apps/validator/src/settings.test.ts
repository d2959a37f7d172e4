/** The command line is read as the help says, and what is wrong with it is said. */

import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { auditThreads, HELP, readSettings } from './settings.ts';

const hotkey = ['--hotkey-file', '/keys/hotkey'];
const TEMPLATE = fileURLToPath(new URL('./testing/golden/template-index.json', import.meta.url));

test('a hotkey file is enough; everything else has the value that the help names', () => {
  expect(readSettings(hotkey, { XDG_STATE_HOME: '/state' })).toMatchObject({
    hotkeyFile: '/keys/hotkey',
    chainUrl: 'http://127.0.0.1:7744',
    stateFolder: '/state/celium/validator',
    host: '127.0.0.1',
    port: 7760,
    allowPrivate: false,
    checksAll: false,
    parallel: 16,
    intervals: { recheckMs: 5_400_000, retryMs: 300_000 },
    proverCommand: ['/.celium/prover'],
    decoys: null,
    once: false,
  });
});

test('markets add up, and slashes at their ends go', () => {
  const settings = readSettings([...hotkey, '--market', 'http://a:1/', '--market', 'https://b'], {});
  expect(settings).toMatchObject({ marketUrls: ['http://a:1', 'https://b'] });
  expect(readSettings(hotkey, { CELIUM_CHAIN_WS: 'ws://node' })).toMatchObject({ chainUrl: 'ws://node' });
});

test('decoys are bought only under a domain for their accounts, at the usual rate and within five dollars a day', () => {
  expect(readSettings([...hotkey, '--decoy-mail', 'mail.example.org'], {})).toMatchObject({
    decoys: { mailDomain: 'mail.example.org', ratePerMachineDay: 0.2, budgetMicroUsdPerDay: 5_000_000n },
  });
  const own = ['--decoy-mail', 'a.org', '--decoy-rate', '1', '--decoy-budget', '0.5', '--decoy-address', '::1'];
  expect(readSettings([...hotkey, ...own], {})).toMatchObject({
    decoys: { ratePerMachineDay: 1, budgetMicroUsdPerDay: 500_000n, sourceAddresses: ['::1'] },
  });
});

test('however many audit threads are wanted, one core is left to the event loop that reads the clock', () => {
  expect([1, 2, 4, 16].map((cores) => auditThreads(64, cores))).toEqual([1, 1, 3, 15]);
  expect(auditThreads(2, 16)).toBe(2);
});

test('every option of the help is understood, and every understood option is in the help', () => {
  const options = [...HELP.matchAll(/^ {2}--([a-z-]+)(?: ([A-Z,]+))?/gm)].map(
    ([, name, value]) => [name ?? '', value] as const,
  );
  const samples: Record<string, string> = {
    market: 'http://m',
    link: 'delay=1',
    prover: '/p',
    'axon-ip': '1.2.3.4',
    'decoy-mail': 'mail.example.org',
    'decoy-address': '1.2.3.4',
    template: TEMPLATE,
    coordinates: '60,25',
  };
  for (const [name, value] of options) {
    const argument = value === undefined ? [] : [samples[name] ?? '5'];
    expect(readSettings([...hotkey, `--${name}`, ...argument], {}), name).toBeTypeOf('object');
  }
  expect(options).toHaveLength(29);
  expect(readSettings(['--help'], {})).toBe('help');
});

test.each([
  [[], /hotkey-file/],
  [[...hotkey, '--port', '70000'], /--port/],
  [[...hotkey, '--market', 'market.example'], /--market/],
  [[...hotkey, '--retry-ms', '900000'], /--retry-ms/],
  [[...hotkey, '--link', 'slow'], /--link/],
  [[...hotkey, '--prover', 'a;b'], /--prover/],
  [[...hotkey, '--decoy-mail', 'me@here'], /--decoy-mail/],
  [[...hotkey, '--decoy-rate', 'often'], /--decoy-rate/],
  [[...hotkey, '--decoy-address', 'home'], /--decoy-address/],
  [[...hotkey, '--coordinates', '91,0'], /--coordinates/],
  [[...hotkey, '--template', '/nowhere.json'], /--template/],
  [[...hotkey, '--frobnicate'], /frobnicate/],
])('%j is refused with words', (argv, words) => {
  expect(() => readSettings(argv, {})).toThrow(words);
});
