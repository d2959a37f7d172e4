/** The pure rules: seeds, draw, Merkle paths, deadline, parameter records, the shell line. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BINDING, seededBytes } from '../tests/fixtures.ts';
import { equalBytes, toHex } from './bytes.ts';
import { deriveSeed } from './chain.ts';
import { axisFigures } from './axes.ts';
import { chainWorkUnits, judgedRate, judgeDeadline, MIN_DECLARED_RATE_UNITS_PER_SECOND } from './deadline.ts';
import { drawSamples } from './draw.ts';
import { buildTree, merklePath, pathLength, rootOfPath } from './merkle.ts';
import { encodeProverFrame, type ProverFrame } from './frames.ts';
import { encodeLine } from './lines.ts';
import {
  answerCount,
  AXIS_OF,
  type AxisRates,
  bytesToFill,
  chainAmounts,
  CHAIN_SECONDS,
  chainSecondsAt,
  isGpuClass,
  paramsByName,
  paramsName,
  proofParams,
  PURPOSES,
  SIZE_CLASSES,
  type SizeClass,
  STEP_KINDS,
  stepCount,
  stepKind,
  type StepKind,
  WORKSPACE_BYTES,
} from './params.ts';
import { SIZES } from './size-classes.ts';
import { proverShellCommand } from './shell.ts';

test('every field of the binding changes the seed, and no two fields can be shifted into each other', () => {
  const nonce = new Uint8Array(32);
  const seeds = new Set([toHex(deriveSeed(nonce, BINDING))]);
  for (const field of ['blockHash', 'hotkey', 'machineKey', 'grantHash', 'hostKeyHash'] as const) {
    seeds.add(toHex(deriveSeed(nonce, { ...BINDING, [field]: 'ff'.repeat(32) })));
  }
  seeds.add(toHex(deriveSeed(new Uint8Array(32).fill(1), BINDING)));
  seeds.add(toHex(deriveSeed(nonce, { ...BINDING, unit: 'ab', barrierId: 'c' })));
  seeds.add(toHex(deriveSeed(nonce, { ...BINDING, unit: 'a', barrierId: 'bc' })));
  expect(seeds.size).toBe(9);
});

test('the draw is repeatable, without repetition, inside the chain, and another nonce draws others', () => {
  for (const sizeClass of SIZE_CLASSES) {
    for (const purpose of PURPOSES) {
      const params = proofParams(sizeClass, purpose);
      const [nonce, q, other] = [1, 2, 3].map((start) => seededBytes(start)(32)) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      const samples = drawSamples(params, nonce, q);
      expect(drawSamples(params, nonce, q)).toEqual(samples);
      expect(drawSamples(params, other, q)).not.toEqual(samples);
      expect(drawSamples(params, nonce, other)).not.toEqual(samples);
      expect(new Set(samples.map(({ step, index }) => `${step}/${index}`)).size).toBe(samples.length);
      const count = { tiles: 0, leaves: 0, walks: 0 };
      for (const { step, index } of samples) {
        const kind = stepKind(params, step);
        expect(index).toBeLessThan(answerCount(params, kind));
        count[kind === 'sweep' ? 'leaves' : kind === 'walk' ? 'walks' : 'tiles'] += 1;
      }
      expect(count).toEqual(params.audit);
    }
  }
});

test('tiles are drawn evenly over all steps and places', () => {
  const params = proofParams('micro', 'onboarding');
  const random = seededBytes(7);
  const counts = new Map<string, number>();
  const draws = 400;
  for (let i = 0; i < draws; i++) {
    for (const { step, index } of drawSamples(params, random(32), random(32))) {
      if (stepKind(params, step) === 'int8' || stepKind(params, step) === 'bf16') {
        counts.set(`${step}/${index}`, (counts.get(`${step}/${index}`) ?? 0) + 1);
      }
    }
  }
  const expected = (draws * params.audit.tiles) / 256;
  let chiSquare = 0;
  for (const count of counts.values()) chiSquare += (count - expected) ** 2 / expected;
  expect(counts.size).toBe(256);
  // 255 degrees of freedom, thinned by drawing without repetition; 340 is beyond the 99.9th percentile.
  expect(chiSquare).toBeLessThan(340);
});

test('each leaf of a tree of any size is proved by its path, and by nothing else', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(69), fc.nat(2000), (leaves, at, flip) => {
      const digests = seededBytes(leaves)(leaves * 64);
      const tree = buildTree(digests);
      const leaf = at % leaves;
      const opened = digests.slice(leaf * 64, leaf * 64 + 64);
      const path = merklePath(tree, leaf);
      expect(path.length).toBe(pathLength(leaf, leaves) * 32);
      expect(rootOfPath(opened, leaf, leaves, path)).toEqual(tree.root);
      expect(rootOfPath(opened, leaf, leaves, path.subarray(0, -1))).toEqual(path.length === 0 ? tree.root : null);
      const longer = new Uint8Array(path.length + 32);
      longer.set(path);
      expect(rootOfPath(opened, leaf, leaves, longer)).toBeNull();
      const forged = new Uint8Array([...opened, ...path]);
      forged[flip % forged.length]! ^= 1 << (flip & 7);
      const reached = rootOfPath(forged.slice(0, 64), leaf, leaves, forged.slice(64));
      expect(reached !== null && equalBytes(reached, tree.root)).toBe(false);
    }),
  );
  expect(() => buildTree(new Uint8Array(0))).toThrow(RangeError);
  expect(() => buildTree(new Uint8Array(65))).toThrow(RangeError);
});

test('the deadline is the work at 0.92 of the rate, plus at most 300 ms of network, plus 50 ms', () => {
  const input = { workUnits: 9200, rateUnitsPerSecond: 1000, rttMinMs: 20, elapsedMs: 10_070 };
  expect(judgeDeadline(input)).toEqual({ ok: true, limitMs: 10_070 });
  expect(judgeDeadline({ ...input, elapsedMs: 10_071 }).ok).toBe(false);
  expect(judgeDeadline({ ...input, rttMinMs: 5000 }).limitMs).toBe(10_350);
  expect(judgeDeadline({ ...input, rttMinMs: -1 }).limitMs).toBe(10_050);
});

test('whoever declares less than the floor is judged at the floor', () => {
  const at = (rateUnitsPerSecond: number) =>
    judgeDeadline({ workUnits: 1000, rateUnitsPerSecond, rttMinMs: 0, elapsedMs: 0 }).limitMs;
  expect(at(1)).toBe(at(MIN_DECLARED_RATE_UNITS_PER_SECOND));
  expect(at(0)).toBe(at(MIN_DECLARED_RATE_UNITS_PER_SECOND));
  expect(at(-5)).toBe(at(MIN_DECLARED_RATE_UNITS_PER_SECOND));
});

test('an onboarding finds 10 % of skipped tiles, leaves or walks in at least 99.9 % of runs, at every size', () => {
  for (const sizeClass of SIZE_CLASSES) {
    for (const samples of Object.values(proofParams(sizeClass, 'onboarding').audit)) {
      expect(0.9 ** samples).toBeLessThanOrEqual(0.001);
    }
  }
  // Where speed proves nothing, 5 % of missing memory shows in the leaves alone.
  expect(0.95 ** proofParams('cpu-demo', 'onboarding').audit.leaves).toBeLessThanOrEqual(0.001);
  expect(0.95 ** proofParams('micro', 'onboarding').audit.leaves).toBeLessThanOrEqual(0.001);
});

test('who leaves out a tenth of the time of a GPU, all in one kind of steps, is found in at least 99.9 % of onboardings', () => {
  for (const sizeClass of SIZE_CLASSES) {
    const { rounds } = SIZES[sizeClass];
    if (!('pace' in rounds)) continue;
    const params = proofParams(sizeClass, 'onboarding');
    const samples = drawSamples(params, new Uint8Array(32), new Uint8Array(32));
    for (const kind of new Set(params.pattern)) {
      const seconds = chainAmounts(params)[AXIS_OF[kind]] / rounds.pace[AXIS_OF[kind]];
      const share = Math.min(1, (0.1 * chainSecondsAt(params, rounds.pace)) / seconds);
      const drawn = samples.filter(({ step }) => stepKind(params, step) === kind).length;
      expect([sizeClass, kind, (1 - share) ** drawn <= 0.001]).toEqual([sizeClass, kind, true]);
    }
  }
});

test('where speed proves nothing, a tenth of one kind of products shows in the tiles of that kind alone', () => {
  for (const sizeClass of ['micro', 'cpu-demo'] as const) {
    const params = proofParams(sizeClass, 'onboarding');
    const samples = drawSamples(params, new Uint8Array(32), new Uint8Array(32));
    for (const kind of ['int8', 'bf16'] as const) {
      const drawn = samples.filter(({ step }) => stepKind(params, step) === kind).length;
      expect(0.9 ** drawn).toBeLessThanOrEqual(0.001);
    }
  }
});

test('3,000 draws that really happen miss a skipped tenth of a kind as seldom as the arithmetic says', () => {
  const random = seededBytes(11);
  for (const sizeClass of ['micro', 'cpu-demo', 'gpu-hopper'] as const) {
    const params = proofParams(sizeClass, 'onboarding');
    const missed = { tiles: 0, leaves: 0, walks: 0 };
    for (let i = 0; i < 1000; i++) {
      const found = { tiles: false, leaves: false, walks: false };
      for (const { step, index } of drawSamples(params, random(32), random(32))) {
        const kind = stepKind(params, step);
        // Skipped is the first tenth of every step.
        if (index >= answerCount(params, kind) / 10) continue;
        found[kind === 'sweep' ? 'leaves' : kind === 'walk' ? 'walks' : 'tiles'] = true;
      }
      for (const kind of ['tiles', 'leaves', 'walks'] as const) missed[kind] += found[kind] ? 0 : 1;
    }
    // At most 1 is expected; 5 or more have a chance of 0.4 %, and the seed is fixed.
    for (const count of Object.values(missed)) expect(count).toBeLessThan(5);
  }
});

test('a chain takes its 20 or 10 seconds at the pace of its class, whatever memory is claimed', () => {
  for (const sizeClass of SIZE_CLASSES) {
    const { rounds } = SIZES[sizeClass];
    if (!('pace' in rounds)) continue;
    for (const gib of [2, 5, 10, 16, 24, 40, 48, 80, 141, 288]) {
      for (const purpose of PURPOSES) {
        const params = proofParams(sizeClass, purpose, bytesToFill(gib * 1024 ** 3));
        const seconds = chainSecondsAt(params, rounds.pace);
        expect(seconds).toBeGreaterThanOrEqual(CHAIN_SECONDS[purpose]);
        expect(seconds).toBeLessThan(CHAIN_SECONDS[purpose] + 1);
      }
    }
  }
});

test('the fill takes 95 % of the claimed memory, on cards below 40 GB at least 92 %, and leaves room to work', () => {
  expect(bytesToFill(24 * 1024 ** 3) / (24 * 1024 ** 3)).toBeCloseTo(0.922, 3);
  fc.assert(
    fc.property(fc.integer({ min: 2 * 1024 ** 3, max: 300 * 1024 ** 3 }), (claimed) => {
      const filled = bytesToFill(claimed);
      expect(filled % (8 * 16_384)).toBe(0);
      expect(filled).toBeGreaterThanOrEqual(0.92 * claimed);
      if (claimed >= 40e9) expect(filled).toBeGreaterThanOrEqual(0.95 * claimed);
      if (claimed >= 25e9) expect(claimed - filled).toBeGreaterThan(WORKSPACE_BYTES - 8 * 16_384);
      expect(filled).toBeLessThan(claimed);
    }),
  );
});

test('every answer count is a multiple of eight, and every sum stays exact in int32 and fp32', () => {
  for (const sizeClass of SIZE_CLASSES) {
    for (const purpose of PURPOSES) {
      const params = proofParams(sizeClass, purpose);
      for (const kind of STEP_KINDS) expect(answerCount(params, kind) % 8).toBe(0);
      expect(128 * 128 * params.productDepth).toBeLessThan(2 ** 31);
      expect(8 * 8 * params.productDepth).toBeLessThan(2 ** 24);
      expect(params.productDepth % params.segmentBytes).toBe(0);
      expect(stepCount(params)).toBeLessThan(2 ** 16);
    }
  }
});

test('a proof has at most 200 kB at every GPU class', () => {
  for (const sizeClass of SIZE_CLASSES.filter(isGpuClass)) {
    for (const gib of [10, 24, 32, 48, 80, 96, 141, 178, 268]) {
      if (gib > 178 && sizeClass !== 'gpu-b300') continue;
      if (gib > 141 && !sizeClass.startsWith('gpu-b')) continue;
      const params = proofParams(sizeClass, 'onboarding', bytesToFill(gib * 1024 ** 3));
      const rootBytes = stepCount(params) * lineBytes({ type: 'root', step: 0, root: new Uint8Array(32) });
      const openingBytes = (kind: StepKind): number => {
        const path = new Uint8Array(32 * pathLength(0, answerCount(params, kind) / 8));
        return lineBytes({ type: 'opening', step: 0, index: 0, digests: new Uint8Array(64), path });
      };
      const { tiles, leaves, walks } = params.audit;
      const openings = tiles * openingBytes('int8') + leaves * openingBytes('sweep') + walks * openingBytes('walk');
      expect(rootBytes + openings).toBeLessThanOrEqual(200_000);
    }
  }
});

function lineBytes(frame: ProverFrame): number {
  return encodeLine('prover', encodeProverFrame(frame)).length;
}

test('a GPU is judged at its class alone, and a card that lacks 15 % of the memory is late, however fast it is', () => {
  for (const sizeClass of SIZE_CLASSES.filter(isGpuClass)) {
    const params = proofParams(sizeClass, 'onboarding');
    const rateUnitsPerSecond = judgedRate(params, 1e9);
    expect(rateUnitsPerSecond).toBe(judgedRate(params, 0));
    const workUnits = chainWorkUnits(params);
    expect(workUnits).toBeGreaterThanOrEqual(20_000);
    const { limitMs } = judgeDeadline({ elapsedMs: 0, workUnits, rateUnitsPerSecond, rttMinMs: 20 });
    // Making a share e of the memory again costs 256 e sweeps for each sweep, here at the rates of the fastest card.
    const sweepMs = (1000 * chainAmounts(params).sweptBytes) / paceOf(sizeClass).sweptBytes;
    const shortMs = workUnits + 0.15 * 256 * sweepMs;
    expect(shortMs).toBeGreaterThan(limitMs);
  }
});

function paceOf(sizeClass: SizeClass): AxisRates {
  const { rounds } = SIZES[sizeClass];
  if (!('pace' in rounds)) throw new Error(`${sizeClass} has no pace`);
  return rounds.pace;
}

test('a root that is held back makes the next step look fast, and the whole run no faster', () => {
  const params = proofParams('micro', 'routine');
  const steps = stepCount(params);
  const honest = Array.from({ length: steps }, (_, step) => (step + 1) * 10);
  // Each sweep's root comes with the root of the product behind it.
  const shifted = honest.map((atMs, step) => (step % params.pattern.length === 0 ? atMs + 10 : atMs));
  const [plain, lifted] = [honest, shifted].map((rootArrivalsMs) => axisFigures(params, { rootArrivalsMs }));
  expect(plain!.observed.int8Ops).toBeGreaterThan(0);
  expect(lifted!.observed.sweptBytes).toBeLessThan(plain!.observed.sweptBytes);
  expect(lifted!.atLeast).toEqual(plain!.atLeast);
  for (const axis of ['sweptBytes', 'hops', 'int8Ops', 'bf16Ops'] as const) {
    expect(plain!.atLeast[axis]).toBeLessThanOrEqual(plain!.observed[axis]);
  }
  expect(axisFigures(params, { rootArrivalsMs: honest.slice(1) }).observed.hops).toBe(0);
});

test('a parameter record follows from its name, and unknown names have none', () => {
  for (const sizeClass of SIZE_CLASSES) {
    for (const purpose of PURPOSES) {
      const params = proofParams(sizeClass, purpose);
      expect(paramsByName(paramsName(params))).toEqual(params);
      expect(chainWorkUnits(params)).toBeGreaterThan(0);
    }
  }
  const name = paramsName(proofParams('cpu-demo', 'routine'));
  expect(paramsByName({ ...name, memoryBytes: name.memoryBytes * 2 })).toBeNull();
  expect(paramsByName({ ...name, sizeClass: 'nano' as never })).toBeNull();
  expect(() => proofParams('gpu', 'routine', 1000)).toThrow(RangeError);
  expect(proofParams('gpu', 'routine', 24_000_000_001).memoryBytes % (8 * 16_384)).toBe(0);
});

test('the shell line takes plain words only', () => {
  const line = 'stty raw -echo; exec /celium/node /celium/prover.mjs\n';
  expect(proverShellCommand(['/celium/node', '/celium/prover.mjs'])).toBe(line);
  for (const word of ['a b', 'a;b', '$(id)', "'", '', 'a\nb']) {
    expect(() => proverShellCommand([word])).toThrow(TypeError);
  }
});
