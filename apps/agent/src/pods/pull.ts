/** Brings an image from its registry and tells how far it is. */
import type Docker from 'dockerode';
import { formatBytes } from '../engine/progress.ts';
import type { PullProgress } from './pod-engine.ts';

const PULL_TIMEOUT_MS = 30 * 60_000;
const FIRST_ANSWER_MS = 60_000;
const TELL_EVERY_MS = 1_000;

interface PullEvent {
  id?: string;
  status?: string;
  error?: string;
  progressDetail?: { current?: number; total?: number };
}

/** Pulls `reference`; throws what the engine says, or an `AbortError` when `signal` aborts or half an hour is over. */
export async function followPull(
  docker: Docker,
  reference: string,
  progress: PullProgress,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(PULL_TIMEOUT_MS)]);
  const first = new AbortController();
  const timer = setTimeout(() => first.abort(), FIRST_ANSWER_MS);
  const stream = await docker
    .pull(reference, { abortSignal: AbortSignal.any([deadline, first.signal]) })
    .finally(() => clearTimeout(timer));
  const layers = new Map<string, { current: number; total: number }>();
  let toldMs = 0;
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      (stream as NodeJS.ReadableStream & { destroy?: () => void }).destroy?.();
      reject(new DOMException('the pull was given up', 'AbortError'));
    };
    if (deadline.aborted) return onAbort();
    deadline.addEventListener('abort', onAbort, { once: true });
    docker.modem.followProgress(
      stream,
      (fault) => {
        deadline.removeEventListener('abort', onAbort);
        if (fault) reject(Object.assign(fault, { statusCode: 500 }));
        else resolve();
      },
      (event: PullEvent) => {
        const { current, total } = event.progressDetail ?? {};
        if (event.id !== undefined && current !== undefined && total !== undefined) {
          layers.set(event.id, { current, total });
        }
        if (performance.now() - toldMs < TELL_EVERY_MS || layers.size === 0) return;
        toldMs = performance.now();
        const sizes = [...layers.values()];
        const done = sizes.reduce((sum, layer) => sum + layer.current, 0);
        const all = sizes.reduce((sum, layer) => sum + layer.total, 0);
        progress(`${reference}: ${event.status ?? ''} ${formatBytes(done)} of ${formatBytes(all)}`);
      },
    );
  });
}
