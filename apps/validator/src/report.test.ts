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

test('a look around the units says each part in words, and the reason of one that failed', () => {
  const parts = {
    storage: { verdict: 'fail', code: 'DISK_SLOW', message: 'reads took too long\u001b[2J' },
    image: { verdict: 'not-tested', code: 'NOT_DUE', message: '' },
    ports: { verdict: 'pass', code: 'OK', message: '' },
  };
  expect(said(false, { event: 'machine-check', machineId: 'box', verdict: 'fail', parts })).toBe(
    'fail: machine box: storage failed (DISK_SLOW: reads took too long?[2J), image not tested, ports passed\n',
  );
  const busy = {
    event: 'machine-check',
    machineId: 'box',
    verdict: 'busy',
    reason: { code: 'UNITS_BUSY', message: 'rented' },
  };
  expect(said(false, busy)).toBe('busy: machine box: UNITS_BUSY: rented\n');
});
