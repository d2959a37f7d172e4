/**
 * A registry on loopback that serves one image of an engine under another name: enough of the distribution protocol for a pull. As a program,
 * `registry.ts SOCKET IMAGE`, it says the reference by digest and serves until it is ended.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import Docker from 'dockerode';

const run = promisify(execFile);
const MANIFEST_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';

interface Blob {
  digest: string;
  path: string;
  size: number;
}

export class TestRegistry {
  readonly #dir = mkdtempSync(join(tmpdir(), 'celium-registry-'));
  readonly #blobs = new Map<string, Blob>();
  #manifest = '';
  #server: Server | null = null;

  /** Serves `image` of the engine behind `socket`; resolves to the reference to pull. */
  async serve(socket: string, image: string): Promise<string> {
    const archive = join(this.#dir, 'image.tar');
    await pipeline(await new Docker({ socketPath: socket }).getImage(image).get(), createWriteStream(archive));
    await run('tar', ['-x', '-C', this.#dir, '-f', archive]);
    const text = readFileSync(join(this.#dir, 'manifest.json'), 'utf8');
    const [saved] = JSON.parse(text) as Array<{ Config: string; Layers: string[] }>;
    if (saved === undefined) throw new Error(`${image} was saved without a manifest`);
    const config = await this.#add(saved.Config);
    const layers = await Promise.all(saved.Layers.map((layer) => this.#add(layer)));
    this.#manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.size, digest: config.digest },
      layers: layers.map(({ size, digest }) => ({
        mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
        size,
        digest,
      })),
    });
    this.#server = createServer((request, response) => {
      const path = request.url ?? '';
      const blob = this.#blobs.get(/\/blobs\/(sha256:[0-9a-f]{64})$/.exec(path)?.[1] ?? '');
      if (blob !== undefined) {
        response.writeHead(200, { 'content-length': blob.size, 'docker-content-digest': blob.digest });
        if (request.method === 'HEAD') return response.end();
        return createReadStream(blob.path).pipe(response);
      }
      if (path === '/v2/') return response.writeHead(200).end('{}');
      if (!path.includes('/manifests/')) return response.writeHead(404).end('{}');
      const digest = `sha256:${createHash('sha256').update(this.#manifest).digest('hex')}`;
      response.writeHead(200, {
        'content-type': MANIFEST_TYPE,
        'content-length': Buffer.byteLength(this.#manifest),
        'docker-content-digest': digest,
      });
      return response.end(request.method === 'HEAD' ? undefined : this.#manifest);
    });
    const server = this.#server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}/stranger/image:1`;
  }

  /** What `serve` said, by the digest of the manifest. */
  byDigest(reference: string): string {
    return reference.replace(/:1$/, `@sha256:${createHash('sha256').update(this.#manifest).digest('hex')}`);
  }

  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #add(name: string): Promise<Blob> {
    const path = join(this.#dir, name);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path, { highWaterMark: 1_048_576 }), hash);
    const blob = { digest: `sha256:${hash.digest('hex')}`, path, size: statSync(path).size };
    this.#blobs.set(blob.digest, blob);
    return blob;
  }
}

if (import.meta.main) {
  const [socket = '', image = ''] = process.argv.slice(2);
  const registry = new TestRegistry();
  process.once('SIGTERM', () => registry.close());
  process.stdout.write(`${registry.byDigest(await registry.serve(socket, image))}\n`);
}
