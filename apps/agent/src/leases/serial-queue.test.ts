/** Decisions are made one after another, whatever one of them ends with. */
import { expect, test } from 'vitest';
import { SerialQueue } from './serial-queue.ts';

test('jobs run one at a time in the order in which they came, also after one that failed', async () => {
  const queue = new SerialQueue(10);
  const seen: string[] = [];
  const job = (name: string, fault?: Error) => async (): Promise<string> => {
    seen.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(`${name} ends`);
    if (fault !== undefined) throw fault;
    return name;
  };
  const results = await Promise.allSettled([
    queue.run(job('a')),
    queue.run(job('b', new Error('no'))),
    queue.run(job('c')),
  ]);
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

test('a queue that is full refuses instead of growing', async () => {
  const queue = new SerialQueue(1);
  const gate = Promise.withResolvers<void>();
  const first = queue.run(() => gate.promise);
  await expect(queue.run(async () => undefined)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  gate.resolve();
  await first;
  await expect(queue.run(async () => 'again')).resolves.toBe('again');
});
