/** Steps of the set-up as events: one shape, printed as text for people and as JSON lines for programs. */
import type { ProgressEvent } from '@celium/contract';

/** One event of one step; `ms` is the step's duration so far, `bytes` of `totalBytes` where something is moved. */
export type StepEvent = Extract<ProgressEvent, { event: 'step' }>;

/** Where steps are told to. */
export type Progress = (event: StepEvent) => void;

/** Reports within a running step. */
export type Report = (detail: string, bytes?: number, totalBytes?: number) => void;

/** A progress that tells nobody. */
export const silent: Progress = () => undefined;

/** Runs `work` as a named step; tells start, progress and the end with its duration. The fault passes on unchanged. */
export async function runStep<T>(progress: Progress, name: string, work: (report: Report) => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const elapsed = (): number => Math.round(performance.now() - startedMs);
  let lastDetail: string | undefined;
  progress({ event: 'step', name, status: 'start' });
  try {
    const value = await work((detail, bytes, totalBytes) => {
      lastDetail = detail;
      progress({
        event: 'step',
        name,
        status: 'progress',
        detail,
        ...(bytes === undefined ? {} : { bytes }),
        ...(totalBytes === undefined ? {} : { totalBytes }),
        ms: elapsed(),
      });
    });
    progress({
      event: 'step',
      name,
      status: 'done',
      ...(lastDetail === undefined ? {} : { detail: lastDetail }),
      ms: elapsed(),
    });
    return value;
  } catch (fault) {
    const detail = fault instanceof Error ? fault.message : String(fault);
    progress({ event: 'step', name, status: 'failed', detail, ms: elapsed() });
    throw fault;
  }
}

/** `12.3 MB` for people. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(0)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}

/** One event as a line for a person: `  docker packages ........ done  62.0 MB (14.2 s)`. */
export function formatStep(step: StepEvent): string {
  const size =
    step.totalBytes === undefined ? '' : ` ${formatBytes(step.bytes ?? 0)} of ${formatBytes(step.totalBytes)}`;
  const time = step.ms === undefined ? '' : ` (${(step.ms / 1000).toFixed(1)} s)`;
  const detail = step.detail === undefined ? '' : `: ${step.detail}`;
  return `${step.name} ${step.status}${detail}${size}${time}`;
}
