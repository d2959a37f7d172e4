/** The pod spec is an allow-list: nothing in it reaches the host, its devices or the runtime profile. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BASE_IMAGE,
  faultOfPodSpec,
  MAX_ENV_ENTRIES,
  MAX_ENV_VALUE_LENGTH,
  MAX_POD_PORTS,
  type PodSpec,
} from './pod-spec.ts';

const PLAIN: PodSpec = { image: BASE_IMAGE, env: {}, ports: [], volumeBytes: 0 };
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('an image', () => {
  test.each([
    BASE_IMAGE,
    'ubuntu',
    'pytorch/pytorch:2.9.0-CUDA13',
    `ghcr.io/someone/image@${DIGEST}`,
    `registry.example:5000/a/b:tag@${DIGEST}`,
    DIGEST,
  ])('may be %s', (image) => {
    expect(faultOfPodSpec({ ...PLAIN, image })).toBeNull();
  });

  test.each([
    '',
    'Ubuntu',
    '-v',
    '/bin/sh',
    'a b',
    'a\nb',
    'ubuntu\n',
    'a;b',
    'a$(id)',
    `a@sha256:12`,
    `a:${'t'.repeat(300)}`,
  ])('may not be %j', (image) => {
    expect(faultOfPodSpec({ ...PLAIN, image })).toMatchObject({ field: 'image' });
  });
});

describe('the environment', () => {
  test.each([
    'NVIDIA_VISIBLE_DEVICES',
    'NVIDIA_DRIVER_CAPABILITIES',
    'CUDA_VISIBLE_DEVICES',
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'CELIUM_LEASE',
    'DOCKER_HOST',
    'SSH_ORIGINAL_COMMAND',
  ])('may not set %s, which the machine sets', (name) => {
    expect(faultOfPodSpec({ ...PLAIN, env: { [name]: 'all' } })).toEqual({
      field: 'env',
      why: `${name} is set by the machine`,
    });
  });

  test('may not hold a name that is none, a NUL byte, or too much', () => {
    for (const name of ['', '1A', 'A-B', 'A=B', 'A B', 'ä', 'A'.repeat(129)]) {
      expect(faultOfPodSpec({ ...PLAIN, env: { [name]: 'x' } })).toMatchObject({ field: 'env' });
    }
    expect(faultOfPodSpec({ ...PLAIN, env: { A: 'x\0y' } })).toMatchObject({ field: 'env' });
    expect(faultOfPodSpec({ ...PLAIN, env: { A: 'x'.repeat(MAX_ENV_VALUE_LENGTH + 1) } })).toMatchObject({
      field: 'env',
    });
    const many = Object.fromEntries(Array.from({ length: MAX_ENV_ENTRIES + 1 }, (_, index) => [`A${index}`, 'x']));
    expect(faultOfPodSpec({ ...PLAIN, env: many })).toMatchObject({ field: 'env' });
  });

  test('may hold ordinary settings, line ends and quotes included', () => {
    expect(faultOfPodSpec({ ...PLAIN, env: { HF_TOKEN: 'x', _x: 'a\n"b"', Path2: '' } })).toBeNull();
  });
});

test('ports are whole numbers from 1 to 65535, each once, without 22, at most sixteen', () => {
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => 8_000 + index);
  expect(faultOfPodSpec({ ...PLAIN, ports: [1, 80, 65_535] })).toBeNull();
  expect(faultOfPodSpec({ ...PLAIN, ports: upTo(MAX_POD_PORTS) })).toBeNull();
  for (const ports of [[0], [65_536], [-1], [1.5], [22], [80, 80], [Number.NaN], upTo(MAX_POD_PORTS + 1)]) {
    expect(faultOfPodSpec({ ...PLAIN, ports })).toMatchObject({ field: 'ports' });
  }
});

test('a volume has a size of zero or more whole bytes', () => {
  expect(faultOfPodSpec({ ...PLAIN, volumeBytes: 10_000_000_000 })).toBeNull();
  for (const volumeBytes of [-1, 0.5, Number.POSITIVE_INFINITY, Number.NaN, 2 ** 60]) {
    expect(faultOfPodSpec({ ...PLAIN, volumeBytes })).toMatchObject({ field: 'volumeBytes' });
  }
});

test('a spec that passes holds nothing that could be read as an option, a path on the host or a second argument', () => {
  const specs = fc.record({
    image: fc.oneof(fc.string({ unit: 'binary' }), fc.constant(BASE_IMAGE)),
    env: fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })),
    ports: fc.array(fc.oneof(fc.integer(), fc.double()), { maxLength: 20 }),
    volumeBytes: fc.oneof(fc.integer(), fc.double()),
  });
  fc.assert(
    fc.property(specs, (spec) => {
      if (faultOfPodSpec(spec) !== null) return;
      expect(spec.image).toMatch(/^[a-z0-9][A-Za-z0-9._/:@-]*$/);
      for (const name of Object.keys(spec.env)) expect(name).toMatch(/^[A-Za-z_]\w*$/);
      for (const value of Object.values(spec.env)) expect(value).not.toContain('\0');
      expect(spec.ports.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535 && port !== 22)).toBe(
        true,
      );
      expect(Number.isSafeInteger(spec.volumeBytes) && spec.volumeBytes >= 0).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
