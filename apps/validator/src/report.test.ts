/** What people read on a terminal, and what programs read from a pipe. */

import { expect, test } from 'vitest';
import { createReport } from './report.ts';

function said(json: boolean, line: Record<string, unknown>): string {
  let text = '';
  createReport(json, { write: (chunk) => (text += chunk) })(line);
  return text;
}

const check = {
  event: 'check',
  unit: 'cpu:box',
  verdict: 'pass',
  proofMs: 4_424,
  reason: { code: 'OK', message: 'every sampled answer is exact' },
};

test('programs get the line as it is', () => {
  expect(JSON.parse(said(true, check))).toEqual(check);
});

test('people get words, and no control characters of others', () => {
  expect(said(false, check)).toBe('pass: cpu:box in 4.424 s: OK: every sampled answer is exact\n');
  expect(said(false, { event: 'ready', hotkey: '5Gx', url: 'http://127.0.0.1:7760' })).toBe(
    'validator 5Gx serves http://127.0.0.1:7760\n',
  );
  expect(said(false, { event: 'alarm', code: 'UNIT_CONFLICT', unit: 'GPU-1', detail: 'passed by several' })).toBe(
    'alarm UNIT_CONFLICT: GPU-1: passed by several\n',
  );
  const evil = { event: 'step', name: 'discover', status: 'failed', detail: 'axon: \u001b]0;owned\u0007' };
  expect(said(false, evil)).toBe('discover: failed: axon: ?]0;owned?\n');
});
