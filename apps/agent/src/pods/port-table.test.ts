/** Pods get ports that nobody holds. */
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { canListen, choosePorts } from './port-table.ts';

const free = async (): Promise<boolean> => true;

test('held and busy ports are passed over, in order', async () => {
  const isFree = async (port: number): Promise<boolean> => port !== 101;
  expect(await choosePorts([22, 80], { from: 100, to: 110 }, new Set([100, 102]), new Map(), isFree)).toEqual([
    { pod: 22, host: 103 },
    { pod: 80, host: 104 },
  ]);
});

test('a range with too few ports gives none', async () => {
  expect(await choosePorts([22, 80], { from: 100, to: 101 }, new Set([100]), new Map(), free)).toBe(null);
});

test('a port that is wanted is given where it is free and in the range, and others take the next one', async () => {
  const range = { from: 100, to: 110 };
  const pods = [22, 80, 81, 82];
  const wanted = new Map([
    [80, 107],
    [81, 103],
    [82, 120],
    [9, 104],
  ]);
  expect(await choosePorts(pods, range, new Set([103]), wanted, free)).toEqual([
    { pod: 22, host: 100 },
    { pod: 80, host: 107 },
    { pod: 81, host: 101 },
    { pod: 82, host: 102 },
  ]);
  const same = new Map([
    [80, 100],
    [81, 100],
  ]);
  const chosen = await choosePorts(pods, range, new Set(), same, free);
  expect(new Set(chosen?.map((port) => port.host)).size).toBe(4);
});

test('a port on which a program listens is busy', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  expect(await canListen(port)).toBe(false);
  await new Promise((resolve) => server.close(resolve));
  expect(await canListen(port)).toBe(true);
});
