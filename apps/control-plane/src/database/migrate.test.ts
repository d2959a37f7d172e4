/** The migrations as a list: each has a number of its own, so their order is the one they were written in. */
import { expect, test } from 'vitest';
import { listMigrations } from './migrate.ts';

test('migrations are numbered from 1 without gaps, and no number is used twice', () => {
  const numbers = listMigrations().map((name) => Number(name.slice(0, 4)));
  expect(numbers).toEqual(numbers.map((_, at) => at + 1));
  expect(numbers.length).toBeGreaterThan(0);
});
