/** The class table against the sizes that its cards are challenged with: sizes, costs of regenerating, and the confusion table with seeded noise. */
import {
  CLASS_RATE_SHARE,
  chainMsAt,
  classifyGpu,
  GENERIC_GPU_CLASS,
  GPU_CLASSES,
  referenceRates,
  type GpuAxes,
  type GpuClass,
} from '@celium/domain';
import { bytesToFill, chainAmounts, MIN_RATE_SHARE, proofParams, type Purpose, type SizeClass } from '@celium/proof';
import { expect, test } from 'vitest';

function paramsFor({ memoryGib, sizeClass }: GpuClass, purpose: Purpose = 'onboarding') {
  return proofParams(sizeClass as SizeClass, purpose, bytesToFill(memoryGib * 1024 ** 3));
}

/** How a card runs: its rates against the reference, for memory and for tensor work. */
interface Pace {
  memory: number;
  tensor: number;
}

const AT_REFERENCE: Pace = { memory: 1, tensor: 1 };
/** What no kernel can beat. */
const AT_PEAK: Pace = { memory: 1 / 0.9, tensor: 1 / 0.85 };

function ratesOf(card: GpuClass, { memory, tensor }: Pace, noise: () => number): GpuAxes {
  const { sweptBytes, hops, int8Ops, bf16Ops } = referenceRates(card);
  return {
    sweptBytes: sweptBytes * memory * noise(),
    hops: hops * memory * noise(),
    int8Ops: int8Ops * tensor * noise(),
    bf16Ops: bf16Ops * tensor * noise(),
  };
}

/** The class that a card gets when its machine claims another; null when the claim needs more memory than there is. */
function classOf(card: GpuClass, claimed: GpuClass, pace: Pace, noise: () => number = () => 1): string | null {
  const params = paramsFor(claimed);
  if (params.memoryBytes > 0.98 * card.memoryGib * 1024 ** 3) return null;
  const amounts = chainAmounts(params);
  const workMs = chainMsAt(amounts, ratesOf(card, pace, noise));
  return classifyGpu({ claimedModel: claimed.models[0]!, memoryBytes: params.memoryBytes, workMs, amounts });
}

/** Deterministic noise of about 1 % around 1: the sum of twelve uniform numbers. */
function seededNoise(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return 1 + 0.01 * sum;
  };
}

test('domain and proof mean the same by the share of a rate that must be reached', () => {
  expect(CLASS_RATE_SHARE).toBe(MIN_RATE_SHARE);
});

test('each card is timed for 20 s at onboarding and 10 s in routine checks at its own reference, and for no more than 80', () => {
  for (const card of GPU_CLASSES) {
    const seconds = (purpose: Purpose): number =>
      chainMsAt(chainAmounts(paramsFor(card, purpose)), referenceRates(card)) / 1000;
    expect(seconds('onboarding'), card.name).toBeGreaterThanOrEqual(20);
    expect(seconds('routine'), card.name).toBeGreaterThanOrEqual(10);
    expect(seconds('onboarding'), card.name).toBeLessThan(80);
  }
});

test('making memory again is at least 256 times dearer than reading it, on every card', () => {
  // 400 integer instructions for one iteration over 64 bytes, one per lane and clock.
  for (const card of GPU_CLASSES) {
    const iterationsPerSecond = (card.multiprocessors * card.integerLanes * card.boostGhz * 1e9) / 400;
    const madeBytesPerSecond = (iterationsPerSecond * 64) / paramsFor(card).fillIterations;
    expect((card.gigabytesPerSecond * 1e9) / madeBytesPerSecond, card.name).toBeGreaterThanOrEqual(256);
  }
});

test('an honest card is what it is, and one that is 15 % slower is not', () => {
  for (const [i, card] of GPU_CLASSES.entries()) {
    const noise = seededNoise(1000 + i);
    for (let run = 0; run < 100; run++) {
      expect(classOf(card, card, AT_REFERENCE, noise), card.name).toBe(card.name);
      expect(classOf(card, card, { memory: 0.85, tensor: 0.85 }, noise), card.name).not.toBe(card.name);
    }
  }
});

test('no claim gives a card a class that is better than it on every axis', () => {
  for (const card of GPU_CLASSES) {
    for (const claimed of GPU_CLASSES) {
      const name = classOf(card, claimed, AT_REFERENCE);
      const got = GPU_CLASSES.find((one) => one.name === name);
      if (got === undefined) continue;
      const axes = ['gigabytesPerSecond', 'int8Tops', 'bf16Tflops'] as const;
      expect(
        axes.every((axis) => got[axis] > card[axis] / CLASS_RATE_SHARE),
        `${card.name} as ${claimed.name} is ${got.name}`,
      ).toBe(false);
      expect(got.memoryGib * 0.88, got.name).toBeLessThanOrEqual(card.memoryGib);
    }
  }
});

test('the confusion table: what every card gets for its own claim, slower, at its peak, and for every other claim', async () => {
  const lines = GPU_CLASSES.flatMap((card, i) => [
    `${card.name}`,
    `  at the reference, 1 % noise: ${counted(card, AT_REFERENCE, 2000 + i)}`,
    `  10 % slower: ${counted(card, { memory: 0.9, tensor: 0.9 }, 3000 + i)}`,
    `  15 % slower: ${counted(card, { memory: 0.85, tensor: 0.85 }, 4000 + i)}`,
    `  at the data sheet's peak: ${classOf(card, card, AT_PEAK)}`,
    `  other claims: ${otherClaims(card)}`,
  ]);
  const head = [
    '# What a card is classed as. From data-sheet figures and the real sizes of challenges; no run of a GPU is in it.',
    '# A claim that needs more memory than the card has is refused, and one that bears nothing gives NVIDIA; neither is listed.',
    '',
  ];
  await expect(`${[...head, ...lines].join('\n')}\n`).toMatchFileSnapshot('golden/confusion.txt');
});

function counted(card: GpuClass, pace: Pace, seed: number): string {
  const noise = seededNoise(seed);
  const counts = new Map<string, number>();
  for (let run = 0; run < 200; run++) {
    const name = classOf(card, card, pace, noise)!;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

/** Which other claims a card bears, and which give it yet another class. */
function otherClaims(card: GpuClass): string {
  const borne: string[] = [];
  const turned: string[] = [];
  for (const claimed of GPU_CLASSES) {
    const name = classOf(card, claimed, AT_REFERENCE);
    if (claimed === card || name === null || name === GENERIC_GPU_CLASS) continue;
    if (name === claimed.name) borne.push(name);
    else turned.push(`${claimed.name} gives ${name}`);
  }
  return `${borne.join(', ') || 'none'} borne; ${turned.join(', ') || 'no other'}`;
}
