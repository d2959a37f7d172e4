/** Who waits for a rental is told of the next change, also of one that falls between looking and waiting. */
import { expect, test } from 'vitest';
import { RentalSignals } from './signals.ts';

const never = new AbortController().signal;

test('a change between the look and the wait is not missed', async () => {
  const signals = new RentalSignals();
  const change = signals.next('a');
  signals.emit('a');
  await change.wait(60_000, never);
});

test('everyone who waits for a rental is told, nobody who waits for another', async () => {
  const signals = new RentalSignals();
  const told: string[] = [];
  const gone = new AbortController();
  const waits = ['a', 'a', 'b'].map((id, index) =>
    signals
      .next(id)
      .wait(60_000, gone.signal)
      .then(() => told.push(`${id}${index}`)),
  );
  signals.emit('a');
  await Promise.all(waits.slice(0, 2));
  expect(told).toEqual(['a0', 'a1']);
  gone.abort();
  await waits[2];
});

test('a wait ends by itself, when its caller has gone, and at once after that', async () => {
  const signals = new RentalSignals();
  await signals.next('a').wait(1, never);
  await signals.next('a').wait(60_000, AbortSignal.abort());
  const change = signals.next('a');
  change.cancel();
  signals.emit('a');
});
