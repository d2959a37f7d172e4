/** Builds the pod base image once per content: on debian:bookworm-slim, or on Debian packages where no registry answers. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import { importDebianBase } from './debian-base.ts';
import { EngineFailure, explainFault, firstLine } from './failure.ts';
import { findImage, type ReadyImage } from './find-image.ts';
import { withFileLock } from './lock.ts';
import { formatBytes, runStep, silent, type Progress, type Report } from './progress.ts';

/** The image that pods start from when a machine can reach a registry. */
export const registryBase = 'debian:bookworm-slim';

/** The files that decide the image's content, in images/base. */
export const baseImageFiles = ['Dockerfile', 'celium-init', 'packages.txt', 'sshd_config'] as const;

const repository = 'celium/base';
const FIRST_ANSWER_MS = 10_000;
const PULL_TIMEOUT_MS = 600_000;
const BUILD_TIMEOUT_MS = 600_000;
const LOCK_TIMEOUT_MS = 20 * 60_000;

/** `cacheDir` keeps the Debian base between engines; `sourceDir` is images/base unless a test says otherwise. */
export type EnsureBaseImageOptions = { socket: string; cacheDir: string; progress?: Progress; sourceDir?: string };

/** The folder images/base of this checkout. */
export function baseImageSource(): string {
  return fileURLToPath(new URL('../../../../images/base', import.meta.url));
}

/** `celium/base:<12 hex of the content>`: it changes exactly when an input changes. */
export function baseImageTag(sourceDir = baseImageSource()): string {
  const hash = createHash('sha256');
  for (const name of baseImageFiles)
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(sourceDir, name)));
  return `${repository}:${hash.digest('hex').slice(0, 12)}`;
}

/** Finds the image, or builds it under a lock between processes. Throws EngineFailure (IMAGE_UNAVAILABLE, DISK_FULL). */
export async function ensureBaseImage(options: EnsureBaseImageOptions): Promise<ReadyImage> {
  const sourceDir = options.sourceDir ?? baseImageSource();
  const progress = options.progress ?? silent;
  const tag = baseImageTag(sourceDir);
  const present = await findImage(options.socket, tag);
  if (present) return present;
  try {
    return await withFileLock(join(options.cacheDir, 'base-image.lock'), LOCK_TIMEOUT_MS, async () => {
      const built = await findImage(options.socket, tag);
      if (built) return built;
      const docker = new Docker({ socketPath: options.socket });
      const base = await ensureParent(docker, options, sourceDir, progress);
      await runStep(progress, 'base image', (report) => build(docker, sourceDir, tag, base, report));
      const image = await findImage(options.socket, tag);
      if (!image) throw new Error(`the build ended well but ${tag} is not there`);
      return image;
    });
  } catch (fault) {
    throw explainFault(fault, buildFailure(fault));
  }
}

async function ensureParent(
  docker: Docker,
  options: EnsureBaseImageOptions,
  sourceDir: string,
  progress: Progress,
): Promise<string> {
  if (await findImage(options.socket, registryBase)) return registryBase;
  const pulled = await runStep(progress, 'image registry', async (report) => {
    try {
      await pull(docker, registryBase, report);
      return true;
    } catch (fault) {
      // No registry is an ordinary place to be: the base is then made from Debian packages.
      report(`does not answer (${firstLine(fault instanceof Error ? fault.message : String(fault))})`);
      return false;
    }
  });
  if (pulled) return registryBase;
  const packages = readFileSync(join(sourceDir, 'packages.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return await importDebianBase({ docker, socket: options.socket, cacheDir: options.cacheDir, packages, progress });
}

/** Pulls with a bound on the first answer, since a network that swallows packets would keep us waiting for minutes. */
async function pull(docker: Docker, reference: string, report: Report): Promise<void> {
  const abort = new AbortController();
  const firstAnswer = setTimeout(() => abort.abort(new Error('no answer within 10 s')), FIRST_ANSWER_MS);
  const whole = setTimeout(() => abort.abort(new Error('not complete within 10 minutes')), PULL_TIMEOUT_MS);
  try {
    const stream = await docker.pull(reference, { abortSignal: abort.signal });
    const layers = new Map<string, { current: number; total: number }>();
    let lastToldMs = 0;
    await follow(docker, stream, abort.signal, (event) => {
      clearTimeout(firstAnswer);
      const detail = event.progressDetail;
      if (event.id && detail?.current !== undefined && detail.total !== undefined && event.status === 'Downloading') {
        layers.set(event.id, { current: detail.current, total: detail.total });
      }
      if (performance.now() - lastToldMs < 500 || layers.size === 0) return;
      lastToldMs = performance.now();
      const sizes = [...layers.values()];
      report(
        reference,
        sizes.reduce((sum, layer) => sum + layer.current, 0),
        sizes.reduce((sum, layer) => sum + layer.total, 0),
      );
    });
  } catch (fault) {
    throw abort.signal.aborted ? abort.signal.reason : fault;
  } finally {
    clearTimeout(firstAnswer);
    clearTimeout(whole);
  }
}

async function build(docker: Docker, sourceDir: string, tag: string, base: string, report: Report): Promise<void> {
  report(`${tag} on ${base}`);
  const abort = AbortSignal.timeout(BUILD_TIMEOUT_MS);
  const stream = await docker.buildImage(
    { context: sourceDir, src: [...baseImageFiles] },
    { t: tag, buildargs: { BASE: base }, forcerm: true, abortSignal: abort },
  );
  let printed = '';
  await follow(docker, stream, abort, (event) => {
    printed = `${printed}${event.stream ?? ''}`.slice(-4096);
    if (event.stream?.startsWith('Step ')) report(firstLine(event.stream).slice(0, 100));
    if (event.error) throw new Error(`${event.error}\n${printed.trim().split('\n').slice(-5).join('\n')}`);
  });
  const inspected = await docker.getImage(tag).inspect();
  report(`${tag}, ${formatBytes(inspected.Size)}`);
}

type EngineEvent = {
  id?: string;
  status?: string;
  stream?: string;
  error?: string;
  progressDetail?: { current?: number; total?: number };
};

async function follow(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  signal: AbortSignal,
  onEvent: (event: EngineEvent) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      (stream as NodeJS.ReadableStream & { destroy?: () => void }).destroy?.();
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    docker.modem.followProgress(
      stream,
      (fault) => {
        signal.removeEventListener('abort', onAbort);
        if (fault) reject(fault);
        else resolve();
      },
      (event: EngineEvent) => {
        try {
          onEvent(event);
        } catch (fault) {
          reject(fault instanceof Error ? fault : new Error(String(fault)));
        }
      },
    );
  });
}

function buildFailure(fault: unknown): EngineFailure {
  return new EngineFailure(
    'IMAGE_UNAVAILABLE',
    `The pod base image could not be built: ${fault instanceof Error ? fault.message : String(fault)}`,
    'Check that a registry or a Debian mirror can be reached from this machine, then run the command again.',
    fault,
  );
}
