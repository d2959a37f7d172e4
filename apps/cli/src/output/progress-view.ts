/** Shows the progress of programs: moving lines on a terminal, plain lines elsewhere, the events themselves for programs. */

import type { ProgressEvent } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { printable, printableJson } from '@celium/domain';
import { formatBytes, formatDuration } from './format.ts';
import { startSpinner, type Spinner } from './spinner.ts';

type StepEvent = Extract<ProgressEvent, { event: 'step' }>;

export type ViewMode = 'json' | 'text';

/** Where progress is shown. Words go to stderr, events of JSON mode to stdout. */
export interface ProgressView {
  take(event: ProgressEvent): void;
  /** A line that is no event: a program's log. */
  line(text: string): void;
  /** A step of the CLI itself, timed. Its result's `detail` is shown beside the name. */
  step<T>(
    name: string,
    work: (say: (detail: string) => void) => Promise<T>,
    detailOf?: (value: T) => string,
  ): Promise<T>;
  /** Erases what moves. */
  close(): void;
}

/** Makes a view. In JSON mode every event is one line on stdout. */
export function openProgressView(context: CliContext, mode: ViewMode): ProgressView {
  const { stdout, stderr } = context.process;
  let spinner: Spinner | null = null;
  let shown = '';

  const hide = (): void => {
    spinner?.stop();
    spinner = null;
    shown = '';
  };
  const print = (text: string): void => {
    const before = shown;
    hide();
    stderr.write(`${printable(text)}\n`);
    if (before !== '' && stderr.isTTY === true) show(before);
  };
  const show = (name: string): void => {
    if (shown === name) return;
    spinner?.stop();
    spinner = startSpinner(context, name);
    shown = name;
  };
  const take = (event: ProgressEvent): void => {
    if (mode === 'json') {
      stdout.write(`${printableJson(JSON.stringify(event))}\n`);
      return;
    }
    if (event.event === 'check') print(formatCheck(event));
    if (event.event === 'machine-check') print(formatMachineCheck(event));
    if (event.event === 'alarm') print(formatAlarm(event));
    if (event.event !== 'step') return;
    if (event.status === 'done' || event.status === 'failed') {
      if (shown === event.name) hide();
      print(formatStep(event));
    } else if (stderr.isTTY === true) {
      show(event.name);
      spinner?.say([event.detail, formatSize(event)].filter((part) => part !== undefined && part !== '').join(' '));
    } else if (event.status === 'start') {
      print(`... ${event.name}`);
    }
  };

  return {
    take,
    line(text) {
      if (mode === 'text') print(formatLogLine(text));
      else stderr.write(`${printableJson(text)}\n`);
    },
    async step(name, work, detailOf) {
      const startedMs = performance.now();
      const elapsedMs = (): number => Math.round(performance.now() - startedMs);
      let detail: string | undefined;
      take({ event: 'step', name, status: 'start' });
      try {
        const value = await work((said) => {
          detail = said;
          take({ event: 'step', name, status: 'progress', detail: said, ms: elapsedMs() });
        });
        const words = detailOf?.(value) ?? detail;
        take({
          event: 'step',
          name,
          status: 'done',
          ms: elapsedMs(),
          ...(words === undefined ? {} : { detail: words }),
        });
        return value;
      } catch (fault) {
        const words = fault instanceof Error ? fault.message : String(fault);
        take({ event: 'step', name, status: 'failed', detail: words, ms: elapsedMs() });
        throw fault;
      }
    },
    close: hide,
  };
}

/** One visit of a validator to a machine: `ok    check of cpu:rack-7  pass  13.4 s`. */
export function formatCheck(check: Readonly<Record<string, unknown>>): string {
  const { verdict, unit, machineId, proofMs } = check;
  const reason = (check['reason'] ?? {}) as { code?: unknown; message?: unknown };
  const passed = verdict === 'pass';
  const why = passed ? '' : `: ${String(reason.code ?? '')}: ${String(reason.message ?? '')}`;
  const time = typeof proofMs === 'number' && proofMs > 0 ? `  ${formatDuration(proofMs)}` : '';
  return `${passed ? 'ok  ' : 'fail'}  check of ${String(unit ?? machineId)}  ${String(verdict)}${why}${time}`;
}

/** One look around a machine's units: `fail  look at machine rack-7  storage failed: DISK_SLOW: ...; ports passed`. */
export function formatMachineCheck(check: Readonly<Record<string, unknown>>): string {
  const { verdict, machineId } = check;
  const reason = check['reason'] as { code?: unknown; message?: unknown } | undefined;
  const parts = (check['parts'] ?? {}) as Record<string, { verdict?: unknown; code?: unknown; message?: unknown }>;
  const words = Object.entries(parts).map(([name, part]) => {
    if (part.verdict === 'fail') return `${name} failed: ${String(part.code)}: ${String(part.message)}`;
    return `${name} ${part.verdict === 'pass' ? 'passed' : 'not tested'}`;
  });
  if (reason !== undefined) words.push(`${String(verdict)}: ${String(reason.code)}: ${String(reason.message)}`);
  return `${verdict === 'pass' ? 'ok  ' : 'fail'}  look at machine ${String(machineId)}  ${words.join('; ')}`;
}

/** One alarm: `warn  alarm ECC_ERRORS of GPU-...: 3 uncorrected memory errors`. */
function formatAlarm(alarm: Readonly<Record<string, unknown>>): string {
  const { code, unit, machineId, detail } = alarm;
  return `warn  alarm ${String(code)} of ${String(unit ?? machineId)}: ${String(detail)}`;
}

/** What pino puts into every line. */
const PINO_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg', 'v']);

/** A line of a program's log; those that pino wrote as JSON in words: `log   agent: market connected  http://127.0.0.1:7740`. */
export function formatLogLine(line: string): string {
  if (!line.startsWith('{')) return line;
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { level, name, msg } = entry;
  if (typeof level !== 'number' || typeof msg !== 'string') return line;
  const facts = Object.entries(entry).filter(([key]) => !PINO_FIELDS.has(key));
  const words = facts.map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const mark = level >= 50 ? 'fail' : level >= 40 ? 'warn' : 'log ';
  return [mark, `${String(name ?? '')}: ${msg}`, ...words].join('  ');
}

/** One finished step: `ok    docker packages  62.0 MB  14.2 s`. */
export function formatStep(event: StepEvent): string {
  const parts = [
    event.status === 'failed' ? 'fail' : 'ok  ',
    event.name,
    event.detail ?? '',
    formatSize(event),
    event.ms === undefined ? '' : formatDuration(event.ms),
  ];
  return parts.filter((part) => part !== '').join('  ');
}

function formatSize(event: StepEvent): string {
  if (event.bytes === undefined && event.totalBytes === undefined) return '';
  if (event.totalBytes === undefined || event.status === 'done')
    return formatBytes(event.totalBytes ?? event.bytes ?? 0);
  return `${formatBytes(event.bytes ?? 0)} of ${formatBytes(event.totalBytes)}`;
}
