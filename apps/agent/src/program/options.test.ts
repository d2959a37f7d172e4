/** The command line of the agent is understood, or refused in words. */
import { expect, test } from 'vitest';
import { CeliumError } from '@celium/contract';
import { EngineFailure } from '../engine/failure.ts';
import { parseCommand } from './options.ts';
import { toldFault } from './output.ts';

test('defaults are loopback, port 7750 and the manifest in the state folder', () => {
  expect(parseCommand(['--state', '/s'])).toEqual({
    name: 'run',
    options: {
      stateDir: '/s',
      manifestPath: '/s/manifest.json',
      socket: undefined,
      host: '127.0.0.1',
      port: 7_750,
      chainUrl: undefined,
      toolsDir: undefined,
      publicHost: undefined,
      portRange: undefined,
      allowPrivate: false,
      engineSetup: true,
      openEgress: false,
      json: false,
    },
  });
  expect(parseCommand(['init', '--state', '/s', '--machine-id', 'm', '--hotkey', '5x', '--json'])).toMatchObject({
    name: 'init',
    options: { stateDir: '/s', machineId: 'm', hotkey: '5x', json: true },
  });
  expect(parseCommand(['--help']).name).toBe('help');
});

test.each([
  [[]],
  [['--state']],
  [['--state', '/s', '--port', '70000']],
  [['--state', '/s', '--port', 'x']],
  [['--state', '/s', '--port-range', '20000']],
  [['--state', '/s', '--port-range', '20099-20000']],
  [['--state', '/s', '--unknown']],
  [['--state', '/s', 'serve']],
])('%j is refused as usage', (argv) => {
  expect(() => parseCommand(argv)).toThrowError(expect.objectContaining({ code: 'USAGE' }));
});

test('every fault is told with a code of the table and a remedy', () => {
  expect(toldFault(new CeliumError('PORT_IN_USE', 'x')).code).toBe('PORT_IN_USE');
  expect(toldFault(new EngineFailure('NOT_ROOT', 'x', 'do this'))).toEqual({
    code: 'NOT_ROOT',
    message: 'x',
    remedy: 'do this',
  });
  expect(toldFault(new Error('write: ENOSPC: no space left on device')).code).toBe('DISK_FULL');
  expect(toldFault('strange')).toMatchObject({ code: 'INTERNAL', message: 'strange' });
});
