/** Repeatable randomness: one stream per try, so that a run can be repeated and a single try looked at again. */
import { createHash } from 'node:crypto';

/** A stream of random numbers and bytes. */
export interface RandomStream {
  /** Uniform in [0, 1), 32 bits fine. */
  unit(): number;
  /** Uniform whole number below `bound`. */
  below(bound: number): number;
  bytes(count: number): Uint8Array;
  /** From a normal distribution. */
  normal(mean: number, deviation: number): number;
}

/** The stream that belongs to these names; xoshiro128** seeded by their SHA-256. Not for keys of anything. */
export function randomStream(...names: readonly (string | number)[]): RandomStream {
  const digest = createHash('sha256').update(names.join('/')).digest();
  let [a, b, c, d] = [0, 4, 8, 12].map((at) => digest.readUInt32LE(at)) as [number, number, number, number];
  const word = (): number => {
    const product = Math.imul(b, 5);
    const out = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return out;
  };
  const unit = (): number => word() / 2 ** 32;
  return {
    unit,
    below: (bound) => Math.floor(unit() * bound),
    bytes: (count) => Uint8Array.from({ length: count }, () => word() >>> 24),
    normal: (mean, deviation) =>
      mean + deviation * Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit()),
  };
}
