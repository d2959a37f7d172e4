/** The error table: stable exit statuses, words that say what happened and what to do. */
import { describe, expect, test } from 'vitest';
import { CeliumError, ERROR_CODES, errorBody, ERRORS, type ErrorEntry } from './errors.ts';

const entries: ReadonlyArray<[string, ErrorEntry]> = Object.entries(ERRORS);

test('exit statuses are stable: scripts rely on them', async () => {
  const lines = entries.map(([code, { exit, status }]) => `${String(exit).padStart(3)} ${status} ${code}`).toSorted();
  await expect(`exit http code\n${lines.join('\n')}\n`).toMatchFileSnapshot('../golden/exit-codes.txt');
});

test('every code has an exit status of its own, apart from 0, 1 and those that shells use', () => {
  const exits = entries.map(([, { exit }]) => exit);
  expect(new Set(exits).size).toBe(exits.length);
  expect(exits.every((exit) => Number.isInteger(exit) && exit >= 2 && exit < 126)).toBe(true);
});

test.each(entries)('%s says what it means and what to do, in whole sentences', (code, { status, meaning, remedy }) => {
  expect(code).toMatch(/^[A-Z][A-Z0-9_]*$/);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(600);
  for (const words of [meaning, remedy]) expect(words).toMatch(/^[A-Z].{10,}\.$/);
  expect(meaning).not.toBe(remedy);
});

describe('an error that a caller sees', () => {
  test('carries code, message, remedy and public details, and never what is for the log only', () => {
    const error = new CeliumError('UNITS_BUSY', 'GPU-1 is leased.', { internal: 'lease 17', details: { grant: 'g' } });
    expect(error.remedy).toBe(ERRORS.UNITS_BUSY.remedy);
    expect(errorBody(error)).toEqual({
      error: {
        code: 'UNITS_BUSY',
        message: 'GPU-1 is leased.',
        remedy: ERRORS.UNITS_BUSY.remedy,
        details: { grant: 'g' },
      },
    });
    expect(JSON.stringify(errorBody(error))).not.toContain('lease 17');
  });

  test('has the meaning of its code as message when it says no more', () => {
    expect(new CeliumError('DISK_FULL').message).toBe(ERRORS.DISK_FULL.meaning);
  });

  test.each([new Error('password=hunter2'), 'text', null, { code: 'NO_BALANCE' }])(
    'is INTERNAL and silent about %j',
    (error) => {
      expect(errorBody(error)).toEqual({
        error: { code: 'INTERNAL', message: ERRORS.INTERNAL.meaning, remedy: ERRORS.INTERNAL.remedy },
      });
    },
  );

  test('keeps its cause', () => {
    const cause = new Error('ENOSPC');
    expect(new CeliumError('DISK_FULL', undefined, { cause }).cause).toBe(cause);
  });
});

test('the list of codes is the table', () => {
  expect(ERROR_CODES).toEqual(Object.keys(ERRORS));
});
