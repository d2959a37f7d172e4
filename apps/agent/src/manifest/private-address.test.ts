/** Addresses that only mean something inside one network are told apart. */
import { expect, test } from 'vitest';
import { isLoopbackHost, isPrivateHost } from './private-address.ts';

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '192.168.1.1',
  '172.16.0.1',
  '100.64.0.1',
  '169.254.169.254',
  '0.0.0.0',
  '::1',
  '[::1]',
  'fd00::1',
  'fe80::1',
  'localhost',
  'box',
  'box.local',
  'x.internal',
])('%s is private', (host) => expect(isPrivateHost(host)).toBe(true));

test.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1', 'gpu.example.com'])('%s is public', (host) =>
  expect(isPrivateHost(host)).toBe(false),
);

test('only the host’s own addresses are loopback', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopbackHost)).toBe(true);
  expect(['10.0.0.1', '8.8.8.8', 'box', '127.example.com'].some(isLoopbackHost)).toBe(false);
});
