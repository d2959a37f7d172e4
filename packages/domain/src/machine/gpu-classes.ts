/**
 * The GPU classes: public data-sheet figures of each kind of card, strongest first. A class is what a proof bears, never what a host claims; near
 * neighbours that a proof cannot tell apart share one, at the lower figure of each axis.
 */

/** One class. Tensor figures are dense (no sparsity), BF16 with FP32 accumulation. */
export interface GpuClass {
  /** The name in receipts and offers. */
  name: string;
  memoryGib: number;
  gigabytesPerSecond: number;
  int8Tops: number;
  bf16Tflops: number;
  /** What regenerating memory costs: multiprocessors, integer lanes of each, boost clock. */
  multiprocessors: number;
  integerLanes: number;
  boostGhz: number;
  /** Which sizes of a challenge it gets (`packages/proof/src/size-classes.ts`). */
  sizeClass: string;
  /** Parts of the driver's names of its cards, in lower case. */
  models: readonly string[];
  /** The share of the reference that a run must reach, where it is not the usual 0.92. */
  minShare?: number;
  /** The whole card that this is a slice of. */
  sliceOf?: string;
  source: string;
}

type Rates = [gib: number, gbps: number, int8: number, bf16: number];
type Integer = [multiprocessors: number, lanes: number, ghz: number];

function card(
  name: string,
  [memoryGib, gigabytesPerSecond, int8Tops, bf16Tflops]: Rates,
  [multiprocessors, integerLanes, boostGhz]: Integer,
  sizeClass: string,
  models: readonly string[],
  source: string,
  extra: Pick<GpuClass, 'minShare'> = {},
): GpuClass {
  const rates = { memoryGib, gigabytesPerSecond, int8Tops, bf16Tflops };
  return { name, ...rates, multiprocessors, integerLanes, boostGhz, sizeClass, models, source, ...extra };
}

const BLACKWELL = 'NVIDIA Blackwell data sheet';
const HOPPER = 'NVIDIA H100/H200 data sheets';
const AMPERE = 'NVIDIA A100 data sheet';
const ADA = 'NVIDIA Ada GPU architecture white paper and data sheets';
const GA102 = 'NVIDIA GA102 white paper, A40 and RTX A6000 data sheets';
const GB202 = 'NVIDIA RTX Blackwell white paper';

/**
 * Whole cards. Those of one size class stand in the order of their worth, which is the order in which a run is tried against them. Sources differ on the INT8
 * rate of the B300 (100 to 200): the lower stands here and its challenge has no INT8.
 */
const CARDS: readonly GpuClass[] = [
  card('B300', [268, 8000, 100, 2250], [148, 64, 1.92], 'gpu-b300', ['b300', 'gb300'], BLACKWELL),
  card('B200', [178, 7700, 4500, 2250], [148, 64, 1.97], 'gpu-b200', ['b200', 'gb200'], BLACKWELL),
  card('H200', [140, 4800, 1979, 989], [132, 64, 1.98], 'gpu-hopper', ['h200'], HOPPER),
  card('H200-NVL', [140, 4800, 1671, 835], [132, 64, 1.79], 'gpu-hopper', ['h200 nvl'], HOPPER),
  card('GH200', [95, 4000, 1979, 989], [132, 64, 1.98], 'gpu-hopper', ['gh200'], HOPPER),
  card('H100-NVL', [93, 3900, 1671, 835], [132, 64, 1.79], 'gpu-hopper', ['h100 nvl'], HOPPER),
  card('H100', [79, 3350, 1979, 989], [132, 64, 1.98], 'gpu-hopper', ['h100 80gb hbm3', 'h100 sxm', 'h800'], HOPPER),
  card('H100-PCIE', [79, 2000, 1513, 756], [114, 64, 1.755], 'gpu-hopper', ['h100 pcie'], HOPPER),
  card(
    'A100-80GB',
    [79, 1935, 624, 312],
    [108, 64, 1.41],
    'gpu-ampere',
    ['a100 sxm4 80gb', 'a100 80gb', 'a100 pcie 80gb', 'a800'],
    AMPERE,
  ),
  card('H20', [95, 4000, 296, 148], [78, 64, 1.98], 'gpu-ampere', ['h20'], HOPPER),
  card('A100-40GB', [40, 1555, 624, 312], [108, 64, 1.41], 'gpu-ampere', ['a100 sxm4 40gb', 'a100 pcie 40gb'], AMPERE),
  card('A30', [24, 933, 330, 165], [56, 64, 1.44], 'gpu-ampere', ['a30'], 'NVIDIA A30 data sheet'),
  card('RTXPRO6000', [95, 1597, 1000, 500], [188, 128, 2.6], 'gpu', ['rtx pro 6000'], GB202),
  card(
    'RTXPRO6000-MAXQ',
    [95, 1597, 572, 286],
    [188, 128, 2.28],
    'gpu',
    ['rtx pro 6000 blackwell max q'],
    'a public benchmark: 243 TFLOPS in BF16 at 300 W',
  ),
  card('RTX5090', [32, 1792, 838, 210], [170, 128, 2.41], 'gpu', ['rtx 5090'], GB202),
  card('L40S', [45, 864, 728, 362], [142, 64, 2.52], 'gpu-ada', ['l40s', 'rtx 6000 ada'], ADA),
  card('L40', [45, 864, 362, 181], [142, 64, 2.49], 'gpu-ada', ['l40'], ADA),
  card('RTX4090', [24, 1008, 661, 165], [128, 64, 2.52], 'gpu-ada', ['rtx 4090'], ADA, { minShare: 0.95 }),
  card('RTX4090D', [24, 1008, 588, 147], [114, 64, 2.52], 'gpu-ada', ['rtx 4090 d'], ADA),
  card('L4', [22, 300, 242, 121], [58, 64, 2.04], 'gpu-ada', ['l4'], ADA),
  card('RTX4080', [16, 717, 390, 97], [76, 64, 2.51], 'gpu-ada', ['rtx 4080'], ADA),
  card('A6000', [45, 696, 299, 150], [84, 64, 1.8], 'gpu-gddr6', ['rtx a6000', 'a40'], GA102),
  card('RTX3090', [24, 936, 284, 71], [82, 64, 1.7], 'gpu-gddr6', ['rtx 3090'], GA102),
  card('A10', [22, 600, 250, 125], [72, 64, 1.7], 'gpu-gddr6', ['a10'], 'NVIDIA A10 data sheet'),
  card('T4', [15, 320, 130, 65], [40, 64, 1.59], 'gpu-gddr6', ['t4'], 'NVIDIA T4 data sheet; FP16 in place of BF16'),
];

/** Slices of a MIG card: sevenths of its multiprocessors and eighths of its memory and bandwidth. */
const SLICE_PROFILES = [
  { sevenths: 4, eighths: 4 },
  { sevenths: 3, eighths: 4 },
  { sevenths: 2, eighths: 2 },
  { sevenths: 1, eighths: 1 },
] as const;

/** Cards that are sliced, with the gigabytes by which the driver names each profile (4, 3, 2 and 1 sevenths). */
const SLICED: ReadonlyArray<[parent: string, namedGb: readonly number[]]> = [
  ['B200', [90, 90, 45, 23]],
  ['H200', [71, 71, 35, 18]],
  ['H100', [40, 40, 20, 10]],
  ['A100-80GB', [40, 40, 20, 10]],
  ['A100-40GB', [20, 20, 10, 5]],
];

/** Classes of slices, by memory in steps of 2 GiB, then by BF16: their own names, a fraction of the parent by figures, never the whole card. */
const SLICES: readonly GpuClass[] = SLICED.flatMap(([parentName, namedGb]) => {
  const parent = CARDS.find(({ name }) => name === parentName)!;
  return SLICE_PROFILES.map(({ sevenths, eighths }, i): GpuClass => {
    const profile = `${sevenths}g.${namedGb[i]!}gb`;
    return {
      ...parent,
      name: `${parentName.replace(/-\d+GB$/, '')}-${profile.toUpperCase()}`,
      // A slice's driver reports a little less than its eighths.
      memoryGib: (parent.memoryGib * eighths * 0.97) / 8,
      gigabytesPerSecond: (parent.gigabytesPerSecond * eighths) / 8,
      int8Tops: (parent.int8Tops * sevenths) / 7,
      bf16Tflops: (parent.bf16Tflops * sevenths) / 7,
      multiprocessors: Math.floor((parent.multiprocessors * sevenths) / 7),
      sizeClass: sliceSizes((parent.bf16Tflops * sevenths) / 7),
      models: parent.models.map((model) => `${model} mig ${profile}`),
      minShare: undefined,
      sliceOf: parentName,
    };
  });
}).toSorted((a, b) => Math.round(b.memoryGib / 2) - Math.round(a.memoryGib / 2) || b.bf16Tflops - a.bf16Tflops);

/** Sizes that take a slice its 20 s and not many times more. */
function sliceSizes(bf16Tflops: number): string {
  if (bf16Tflops >= 900) return 'gpu-b200';
  if (bf16Tflops >= 400) return 'gpu-hopper';
  return bf16Tflops > 142 ? 'gpu-ampere' : 'gpu-slice';
}

/** Every class: whole cards, then slices. */
export const GPU_CLASSES: readonly GpuClass[] = [...CARDS, ...SLICES];

/** The class of a card that bears none of the table, or that the table does not know: its figures say what it is worth. */
export const GENERIC_GPU_CLASS = 'NVIDIA';

/** The sizes of a challenge for a card that the table does not know. */
const GENERIC_SIZE_CLASS = 'gpu';

/**
 * The class whose card a driver's name means (`NVIDIA H100 80GB HBM3`), by the longest match of whole words; null when the table does not know it. It
 * decides the sizes of a challenge and nothing else.
 */
export function claimedGpuClass(model: string): GpuClass | null {
  const words = ` ${model.toLowerCase().replace(/[^a-z0-9.]+/g, ' ')} `;
  let best: GpuClass | null = null;
  let longest = 0;
  for (const gpuClass of GPU_CLASSES) {
    for (const name of gpuClass.models) {
      if (name.length > longest && words.includes(` ${name.replace(/[^a-z0-9.]+/g, ' ')} `)) {
        best = gpuClass;
        longest = name.length;
      }
    }
  }
  const isSlice = words.includes(' mig ');
  // A slice of a card or profile that the table does not know is never taken for the whole card.
  return best !== null && isSlice !== (best.sliceOf !== undefined) ? null : best;
}

/** Which sizes a GPU is challenged with, by what its machine calls it. */
export function challengeSizeClass(model: string): string {
  return claimedGpuClass(model)?.sizeClass ?? GENERIC_SIZE_CLASS;
}

/** The least and the most memory that a claim may lead anyone to ask for. */
const CLAIM_LIMITS_BYTES = { min: 2 * 1024 ** 3, max: 2 ** 45 };

/** What a machine's manifest says of one of its GPUs, within bounds. Nothing of it is believed: it decides the sizes of the challenge. */
export function claimedGpu(
  gpus: ReadonlyArray<{ unit: string; model: string; memoryBytes: number }> | undefined,
  unit: string,
): { model: string; memoryBytes: number } {
  const claimed = gpus?.find((gpu) => gpu.unit === unit);
  const { min, max } = CLAIM_LIMITS_BYTES;
  return { model: claimed?.model ?? '', memoryBytes: Math.min(Math.max(claimed?.memoryBytes ?? 0, min), max) };
}
