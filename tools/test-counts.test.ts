/** The last line of `./celium test` never calls a broken run a pass. */
import { expect, test } from 'vitest';
import { countTests } from './test-counts.ts';

test('passed and failed tests are taken from the report', () => {
  expect(countTests({ numPassedTests: 3, numFailedTests: 1 }, false)).toEqual({ passed: 3, failed: 1 });
  expect(countTests({ numPassedTests: 3, numFailedTests: 0 }, true)).toEqual({ passed: 3, failed: 0 });
});

test('a file that cannot be loaded, a crash after the tests, and a missing report are failures', () => {
  const broken = { name: 'a.test.ts', status: 'failed', assertionResults: [] };
  expect(countTests({ numPassedTests: 3, numFailedTests: 0, testResults: [broken] }, false)).toEqual({
    passed: 3,
    failed: 1,
  });
  expect(countTests({ numPassedTests: 3, numFailedTests: 0 }, false)).toEqual({ passed: 3, failed: 1 });
  expect(countTests(undefined, true)).toEqual({ passed: 0, failed: 1 });
});
