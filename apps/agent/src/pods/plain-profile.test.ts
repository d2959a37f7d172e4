/** What a pod may do on the host is a file that people can read, and nothing that a renter writes changes more than it should. */
import { expect, test } from 'vitest';
import fc from 'fast-check';
import { limitsOfShare, plainProfile, type PodPlan } from './plain-profile.ts';

const PLAN: PodPlan = {
  leaseId: '3f2b8c1e-0000-4000-8000-000000000001',
  fence: 1_767_225_600_000,
  machineKey: 'ab'.repeat(32),
  image: 'sha256:0123',
  env: { MODEL: 'small' },
  ports: [
    { pod: 22, host: 20_000 },
    { pod: 8080, host: 20_001 },
  ],
  hostIp: '',
  network: 'cel-00000001',
  limits: { nanoCpus: 2_000_000_000, memoryBytes: 4_294_967_296, pids: 4_096 },
  gpus: ['GPU-0a1b2c3d-0000-4000-8000-000000000001'],
  leaseFolder: '/state/leases/3f2b8c1e/run',
  toolsFolder: '/state/tools/0123',
  volume: 'celium-3f2b8c1e-volume',
};

test('the profile `plain` is exactly the golden file', async () => {
  const text = `${JSON.stringify(plainProfile(PLAN), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot('golden/plain-profile.json');
});

test('no environment and no ports reach anything but the fields for them', () => {
  const env = fc.dictionary(fc.string({ minLength: 1 }), fc.string());
  const ports = fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { maxLength: 16 });
  const reference = withoutRenterFields(PLAN);
  fc.assert(
    fc.property(env, ports, (someEnv, somePorts) => {
      const plan = { ...PLAN, env: someEnv, ports: somePorts.map((pod, index) => ({ pod, host: 20_000 + index })) };
      expect(withoutRenterFields(plan)).toEqual(reference);
    }),
  );
});

test('a machine without GPUs asks the engine for no device', () => {
  const host = plainProfile({ ...PLAN, gpus: [] }).body.HostConfig as Record<string, unknown>;
  expect(host.DeviceRequests).toEqual([]);
  expect(host.Devices).toBeUndefined();
});

test('a pod that leases k of n units gets k/n of the machine, rounded down', () => {
  const host = { cpuCores: 8, memoryBytes: 64 * 1024 ** 3 };
  expect(limitsOfShare(1, 4, host)).toEqual({ nanoCpus: 2e9, memoryBytes: 16 * 1024 ** 3, pids: 2_048 });
  expect(limitsOfShare(4, 4, host)).toEqual({ nanoCpus: 8e9, memoryBytes: 64 * 1024 ** 3, pids: 8_192 });
  const thirds = limitsOfShare(1, 3, host);
  expect(thirds.nanoCpus * 3).toBeLessThanOrEqual(8e9);
  expect(thirds.memoryBytes * 3).toBeLessThanOrEqual(host.memoryBytes);
});

function withoutRenterFields(plan: PodPlan): unknown {
  const { body } = plainProfile(plan);
  const { PortBindings: _ports, ...host } = body.HostConfig as Record<string, unknown>;
  return { ...body, Env: null, ExposedPorts: null, HostConfig: host };
}
