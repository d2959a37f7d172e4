/** What only a machine with a GPU can show; named in every report, so that nobody takes an absent row for a passed one. */
import type { AttackFamily } from './family.ts';

const NO_GPU = 'needs an NVIDIA GPU, and the prover has no CUDA device yet';

const WHAT = [
  'hooked NVML and renamed kernel module on a real card',
  'two provers on one GPU, by time slicing and by MPS',
  'a MIG slice sold as the whole GPU',
  'GPU memory backed by host memory (UVM) at full size',
  'GPU memory backed by a sibling GPU over NVLink',
  'true rates, spread and throttling of cards, which the timing families assume',
];

export const family: AttackFamily = {
  name: 'needs-gpu',
  run: 'real-time',
  inQuick: true,
  async play(setting) {
    for (const what of WHAT) setting.notRun(what, NO_GPU);
  },
};
