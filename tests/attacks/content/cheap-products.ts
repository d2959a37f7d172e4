/** Provers that multiply something cheaper than the operands of the protocol: structured matrices, operands of an earlier round, operands without memory. */
import type { StepKind } from '@celium/proof';
import { byStrategy, contentFamily } from './content-family.ts';
import type { OperandChange } from './device.ts';
import type { Strategy } from './prover.ts';

const isProduct = (kind: StepKind): boolean => kind === 'int8' || kind === 'bf16';

/** Every product is made with this change. */
function changed(change: OperandChange): Strategy {
  return {
    answer: ({ device, kind, q }) => (isProduct(kind) ? device.digests(kind, q, change) : device.digests(kind, q)),
  };
}

/** Each operand has this many different rows; the others repeat them, so that few dot products make the whole product. */
const RANK = 8;

function lowRank(): Strategy {
  return {
    answer({ device, sizes, kind, q }) {
      if (!isProduct(kind)) return device.digests(kind, q);
      return device.digests(kind, q, {
        rows(row) {
          for (let i = 0; i < 2 * sizes.productSize; i++) row(i).set(row(i - (i % sizes.productSize) + (i % RANK)));
        },
      });
    },
  };
}

/** Row i is one stream read from its element i on: the product then follows a recurrence along its diagonals. */
function hankel(): Strategy {
  return {
    answer({ device, sizes, kind, q }) {
      if (!isProduct(kind)) return device.digests(kind, q);
      return device.digests(kind, q, {
        rows(row) {
          const { productSize, productDepth } = sizes;
          const stream = new Int16Array(productSize + productDepth);
          stream.set(row(0));
          stream.set(row(1).subarray(0, productSize), productDepth);
          for (let i = 0; i < 2 * productSize; i++) {
            row(i).set(stream.subarray(i % productSize, (i % productSize) + productDepth));
          }
        },
      });
    },
  };
}

/** The operands of the first round serve all later ones; only their digests are made with the round's own chain value. */
function reused(): Strategy {
  const first = new Map<StepKind, Uint8Array>();
  return {
    answer({ device, kind, q }) {
      if (!isProduct(kind)) return device.digests(kind, q);
      const earlier = first.get(kind);
      if (earlier === undefined) first.set(kind, q.slice());
      return device.digests(kind, q, earlier === undefined ? {} : { q: earlier });
    },
  };
}

/** Products of one kind are not made at all: those of the other kind stand in for them. */
function oneKindForBoth(): Strategy {
  return { answer: ({ device, kind, q }) => device.digests(kind === 'bf16' ? 'int8' : kind, q) };
}

export const { family, runTries } = contentFamily('cheap-products', import.meta.url, [
  byStrategy('Hankel operands', true, hankel),
  byStrategy(`operands with ${RANK} different rows`, true, lowRank),
  byStrategy('operands of the first round used again', true, reused),
  byStrategy('operands not bound to memory', true, () => changed({ unbound: true })),
  byStrategy('int8 products in place of bf16', true, oneKindForBoth),
]);
