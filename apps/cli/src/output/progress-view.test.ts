/** Progress as people and as programs see it. */
import { expect, test } from 'vitest';
import type { CliContext } from '../context.ts';
import { formatCheck, formatLogLine, formatMachineCheck, formatStep, openProgressView } from './progress-view.ts';

function captured(isTTY: boolean): { context: CliContext; stdout: () => string; stderr: () => string } {
  let out = '';
  let err = '';
  const context = {
    process: {
      stdout: { write: (text: string) => void (out += text) },
      stderr: { isTTY, columns: 80, write: (text: string) => void (err += text) },
      env: {},
    },
  } as unknown as CliContext;
  return { context, stdout: () => out, stderr: () => err };
}

test('a finished step shows its size and time', () => {
  const step = { event: 'step', name: 'docker packages', status: 'done', totalBytes: 62_000_000, ms: 14_200 } as const;
  expect(formatStep(step)).toBe('ok    docker packages  62.0 MB  14.2 s');
});

test('without a terminal a step is one line at its start and one at its end', async () => {
  const { context, stdout, stderr } = captured(false);
  const view = openProgressView(context, 'text');
  await view.step('think', async (say) => say('hard'));
  expect(stdout()).toBe('');
  expect(stderr()).toMatch(/^\.\.\. think\nok {4}think {2}hard {2}\d+ ms\n$/);
});

test('in JSON mode every event is a line on stdout, a failed step with its reason', async () => {
  const { context, stdout, stderr } = captured(false);
  const view = openProgressView(context, 'json');
  await view.step('fail', () => Promise.reject(new Error('no luck'))).catch(() => {});
  const events = stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { status: string; detail?: string });
  expect(events.map(({ status, detail }) => [status, detail])).toEqual([
    ['start', undefined],
    ['failed', 'no luck'],
  ]);
  expect(stderr()).toBe('');
});

test('on a terminal the line of a running step is erased before anything else is printed', async () => {
  const { context, stderr } = captured(true);
  const view = openProgressView(context, 'text');
  view.take({ event: 'step', name: 'pull', status: 'progress', bytes: 1_000_000, totalBytes: 2_000_000 });
  view.take({ event: 'step', name: 'pull', status: 'done', ms: 5 });
  view.close();
  expect(stderr().endsWith('\r\u001b[2Kok    pull  5 ms\n')).toBe(true);
});

test('a log line of a program is told in words', () => {
  const line =
    '{"level":30,"time":1,"pid":2,"hostname":"h","name":"agent","market":"http://m","msg":"market connected"}';
  expect(formatLogLine(line)).toBe('log   agent: market connected  market=http://m');
  expect(formatLogLine('plain words')).toBe('plain words');
  expect(formatLogLine('{"a":1}')).toBe('{"a":1}');
});

test('a check of a validator shows its verdict, and why it failed', () => {
  const check = {
    event: 'check',
    unit: 'cpu:one',
    verdict: 'pass',
    proofMs: 13_400,
    reason: { code: 'OK', message: '' },
  };
  expect(formatCheck(check)).toBe('ok    check of cpu:one  pass  13.4 s');
  const late = { ...check, verdict: 'fail', reason: { code: 'late', message: 'after 20 s of 18 s' } };
  expect(formatCheck(late)).toBe('fail  check of cpu:one  fail: late: after 20 s of 18 s  13.4 s');
  const busy = { event: 'check', machineId: 'one', verdict: 'busy', reason: { code: 'UNITS_BUSY', message: 'rented' } };
  expect(formatCheck(busy)).toBe('fail  check of one  busy: UNITS_BUSY: rented');
});

test('a look around a machine’s units is one line with the reason of a failure, and an alarm is one', () => {
  const parts = {
    storage: { verdict: 'fail', code: 'DISK_WRONG_DATA', message: 'what was read is not what was written' },
    ports: { verdict: 'pass', code: 'OK', message: '' },
    image: { verdict: 'not-tested', code: 'NOT_DUE', message: '' },
  };
  expect(formatMachineCheck({ verdict: 'fail', machineId: 'rack-7', parts })).toBe(
    'fail  look at machine rack-7  storage failed: DISK_WRONG_DATA: what was read is not what was written; ports passed; image not tested',
  );
  const { context, stderr } = captured(false);
  const view = openProgressView(context, 'text');
  const reason = { code: 'UNITS_BUSY', message: 'rented' };
  view.take({ event: 'machine-check', verdict: 'busy', machineId: 'rack-7', reason });
  view.take({ event: 'alarm', code: 'ECC_ERRORS', unit: 'GPU-1', detail: '3 uncorrected memory errors\u001b[2J' });
  expect(stderr()).toBe(
    'fail  look at machine rack-7  busy: UNITS_BUSY: rented\nwarn  alarm ECC_ERRORS of GPU-1: 3 uncorrected memory errors?[2J\n',
  );
});
