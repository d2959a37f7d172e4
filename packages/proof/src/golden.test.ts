/** The golden vectors against both kinds of kernels. A change of the checked-in file is a change of the protocol's version. */
import { expect, test } from 'vitest';
import { goldenVectors } from '../tests/golden-vectors.ts';
import { plainKernels } from './plain-kernels.ts';
import { wasmKernels } from './wasm-kernels.ts';

test('seeds, cells, operands, digests and roots are those of the checked-in vectors', async () => {
  const text = `${JSON.stringify(goldenVectors(wasmKernels), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot('../golden/cgp1.json');
});

test('plain JavaScript gives the same vectors as WASM', () => {
  expect(goldenVectors(plainKernels)).toEqual(goldenVectors(wasmKernels));
});
