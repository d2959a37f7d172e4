/** The class table and the rule that reads a run against it. The confusion table with real challenge sizes is in apps/validator. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  bearsClass,
  chainMsAt,
  CLASS_RATE_SHARE,
  classifyGpu,
  classifyMachine,
  referenceRates,
  type GpuAxes,
} from './classify-gpu.ts';
import { challengeSizeClass, claimedGpuClass, GENERIC_GPU_CLASS, GPU_CLASSES, type GpuClass } from './gpu-classes.ts';

const AMOUNTS: GpuAxes = { sweptBytes: 5e12, hops: 5e9, int8Ops: 3e15, bf16Ops: 3e15 };

const classNamed = (name: string): GpuClass => GPU_CLASSES.find((one) => one.name === name)!;

/** A run of a card at a share of its reference, with all of its memory. */
function runOf(card: GpuClass, claimedModel = card.models[0]!, share = 1) {
  const workMs = chainMsAt(AMOUNTS, referenceRates(card)) / share;
  return { claimedModel, memoryBytes: 0.95 * card.memoryGib * 1024 ** 3, workMs, amounts: AMOUNTS };
}

test.each([
  ['NVIDIA H100 80GB HBM3', 'H100'],
  ['NVIDIA H100 PCIe', 'H100-PCIE'],
  ['NVIDIA H100 NVL', 'H100-NVL'],
  ['NVIDIA H800', 'H100'],
  ['NVIDIA H200', 'H200'],
  ['NVIDIA H200 NVL', 'H200-NVL'],
  ['NVIDIA A100-SXM4-80GB', 'A100-80GB'],
  ['NVIDIA A100 80GB PCIe', 'A100-80GB'],
  ['NVIDIA A100-PCIE-40GB', 'A100-40GB'],
  ['NVIDIA A800-SXM4-80GB', 'A100-80GB'],
  ['NVIDIA A40', 'A6000'],
  ['NVIDIA RTX A6000', 'A6000'],
  ['NVIDIA L40S', 'L40S'],
  ['NVIDIA RTX 6000 Ada Generation', 'L40S'],
  ['NVIDIA L40', 'L40'],
  ['NVIDIA L4', 'L4'],
  ['NVIDIA GeForce RTX 4090', 'RTX4090'],
  ['NVIDIA GeForce RTX 4090 D', 'RTX4090D'],
  ['NVIDIA RTX PRO 6000 Blackwell Server Edition', 'RTXPRO6000'],
  ['NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition', 'RTXPRO6000-MAXQ'],
  ['NVIDIA H100 80GB HBM3 MIG 1g.10gb', 'H100-1G.10GB'],
  ['NVIDIA A100-SXM4-40GB MIG 3g.20gb', 'A100-3G.20GB'],
])('%s is challenged as %s', (model, name) => {
  expect(claimedGpuClass(model)?.name).toBe(name);
  expect(challengeSizeClass(model)).toBe(classNamed(name).sizeClass);
});

test('a card or a slice that the table does not know is challenged and classed as NVIDIA', () => {
  for (const model of ['', 'NVIDIA RTX 9090', 'NVIDIA H100 80GB HBM3 MIG 5g.60gb', 'NVIDIA H1000', 'AMD Instinct']) {
    expect(claimedGpuClass(model)).toBeNull();
    expect(challengeSizeClass(model)).toBe('gpu');
    expect(classifyGpu({ ...runOf(classNamed('H200')), claimedModel: model })).toBe(GENERIC_GPU_CLASS);
  }
});

test('every class has its own name, and the name of its card finds it', () => {
  expect(new Set(GPU_CLASSES.map(({ name }) => name)).size).toBe(GPU_CLASSES.length);
  for (const one of GPU_CLASSES) for (const model of one.models) expect(claimedGpuClass(model)).toBe(one);
});

test('a slice is a fraction of its card and is never classed as the card, whatever it is called', () => {
  for (const slice of GPU_CLASSES.filter(({ sliceOf }) => sliceOf !== undefined)) {
    const parent = classNamed(slice.sliceOf!);
    expect(slice.memoryGib).toBeLessThanOrEqual(parent.memoryGib / 2);
    expect(slice.bf16Tflops).toBeLessThan(0.6 * parent.bf16Tflops);
    for (const model of [...slice.models, ...parent.models]) {
      expect(classifyGpu(runOf(slice, model))).not.toBe(parent.name);
    }
  }
});

test('less time never gives a weaker class, and less memory never a stronger one', () => {
  const anyClass = fc.constantFrom(...GPU_CLASSES);
  const share = fc.double({ min: 0.2, max: 1.3, noNaN: true });
  fc.assert(
    fc.property(anyClass, anyClass, share, share, (card, claimed, a, b) => {
      const model = claimed.models[0]!;
      const order = (name: string): number => GPU_CLASSES.findIndex((one) => one.name === name) >>> 0;
      const slow = runOf(card, model, Math.min(a, b));
      const fast = runOf(card, model, Math.max(a, b));
      expect(order(classifyGpu(fast))).toBeLessThanOrEqual(order(classifyGpu(slow)));
      const short = { ...fast, memoryBytes: fast.memoryBytes * Math.min(1, a) };
      expect(order(classifyGpu(short))).toBeGreaterThanOrEqual(order(classifyGpu(fast)));
    }),
  );
});

test('a run bears a class at 0.92 of its reference and not below', () => {
  const h100 = classNamed('H100');
  expect(bearsClass(runOf(h100, undefined, CLASS_RATE_SHARE + 0.001), h100)).toBe(true);
  expect(bearsClass(runOf(h100, undefined, CLASS_RATE_SHARE - 0.001), h100)).toBe(false);
  expect(classifyGpu(runOf(classNamed('RTX4090'), undefined, 0.94))).toBe('RTX4090D');
});

test('time that is shifted from one axis to another changes no class', () => {
  // The rule takes the sum only: this is what makes the shift worthless.
  const run = runOf(classNamed('A100-80GB'));
  expect(Object.keys(run).sort()).toEqual(['amounts', 'claimedModel', 'memoryBytes', 'workMs']);
});

test('a machine is worth what all its units bear together under one barrier', () => {
  const unit = (name: string, barrierId = 'b', passed = true) => ({ class: name, barrierId, passed });
  expect(classifyMachine([unit('H100'), unit('H100')])).toEqual({ class: 'H100', units: 2 });
  expect(classifyMachine([unit('H100'), unit('A100-80GB')])).toEqual({ class: 'A100-80GB', units: 2 });
  expect(classifyMachine([unit('H100'), unit('NVIDIA')])).toEqual({ class: 'NVIDIA', units: 2 });
  expect(classifyMachine([unit('H100'), unit('H100', 'other')])).toBeNull();
  expect(classifyMachine([unit('H100'), unit('H100', 'b', false)])).toBeNull();
  expect(classifyMachine([unit('H100', ''), unit('H100', '')])).toBeNull();
  expect(classifyMachine([unit('H100', '')])).toEqual({ class: 'H100', units: 1 });
  expect(classifyMachine([])).toBeNull();
});
