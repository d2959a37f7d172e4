/** Provers whose answers belong to something else: an old challenge, another machine, another host key, a seed guessed beforehand, two transcripts in one. */
import {
  buildTree,
  deriveSeed,
  nextChainValue,
  type ProofBinding,
  startChain,
  type StepKind,
  type ChallengeSizes,
} from '@celium/proof';
import type { RandomStream } from '../random.ts';
import { byStrategy, contentFamily, type ContentAttack } from './content-family.ts';
import type { ResidentDevice } from './device.ts';
import type { CommittedStep, Strategy } from './prover.ts';
import { randomBinding } from './trial.ts';

/** What an earlier, honest challenge left behind: every step with its tree. */
function recordChain(
  device: ResidentDevice,
  sizes: ChallengeSizes,
  seed: Uint8Array,
  startNonce: Uint8Array,
): CommittedStep[] {
  device.fill(seed);
  const steps: CommittedStep[] = [];
  let q = startChain(seed, startNonce);
  for (let step = 0; step < sizes.rounds * sizes.pattern.length; step++) {
    const digests = device.digests(sizes.pattern[step % sizes.pattern.length]!, q);
    const tree = buildTree(digests);
    steps.push({ digests, tree });
    q = nextChainValue(q, tree.root);
  }
  return steps;
}

/** Plays a recording back from step `from` on; before it, the prover is honest and has the memory of this challenge. */
function playback(from: number): Strategy {
  let recording: CommittedStep[] = [];
  return {
    spoilMemory(device, sizes, random) {
      const filled = device.cells.slice();
      recording = recordChain(device, sizes, random.bytes(32), random.bytes(32));
      device.cells.set(filled);
    },
    answer: ({ device, kind, step, q }) => (step < from ? device.digests(kind, q) : recording[step]!.digests),
  };
}

/** The chain of this challenge over a memory that was filled beforehand from a seed of the prover's own. */
function filledBefore(): Strategy {
  let own: Uint8Array | null = null;
  return {
    spoilMemory(device, _sizes, random) {
      own = random.bytes(32);
      device.fill(own);
    },
  };
}

/** Only the memory-free part is right: which answers of a kind are honest, the others come from a recording. */
function spliceByKind(kinds: readonly StepKind[]): Strategy {
  const old = playback(0);
  return {
    ...(old.spoilMemory === undefined ? {} : { spoilMemory: old.spoilMemory }),
    answer: (at) => (kinds.includes(at.kind) ? at.device.digests(at.kind, at.q) : old.answer!(at)),
  };
}

type Field = 'hotkey' | 'machineKey' | 'grantHash' | 'unit' | 'barrierId' | 'blockHash' | 'hostKeyHash';

/**
 * An accomplice with the same nonce, and the same everything except one of these fields, answers for this machine: what a colluder, a copied unit or a man in the middle could
 * send at best. The field is drawn for every chain.
 */
function boundTo(attack: string, fields: readonly Field[]): ContentAttack {
  return byStrategy(attack, true, ({ binding, nonce, random }) => {
    const field = fields[random.below(fields.length)]!;
    const foreign = { ...binding, [field]: otherValue(field, random) };
    return { seed: () => deriveSeed(nonce, foreign) };
  });
}

function otherValue(field: Field, random: RandomStream): string {
  if (field === 'unit') return 'cpu:machine-2';
  return randomBinding(random)[field];
}

/** A seed for the nonce that the prover expected and did not get. */
function guessed(): Strategy {
  return { seed: (given) => deriveSeed(given, { ...GUESSED }) };
}

const ZERO = '00'.repeat(32);
const GUESSED: ProofBinding = {
  blockHash: ZERO,
  hotkey: ZERO,
  machineKey: ZERO,
  grantHash: ZERO,
  hostKeyHash: ZERO,
  unit: 'cpu:machine-1',
  barrierId: '',
};

const LAST_HALF = 16;
const LAST_STEP = 31;

export const { family, runTries } = contentFamily('wrong-binding', import.meta.url, [
  byStrategy('replays a whole transcript', true, () => playback(0)),
  byStrategy('splices: second half from an old transcript', true, () => playback(LAST_HALF)),
  byStrategy('splices: sweeps and walks from an old transcript', true, () => spliceByKind(['int8', 'bf16'])),
  byStrategy('splices: products from an old transcript', true, () => spliceByKind(['sweep', 'walk'])),
  byStrategy(
    'splices: only the last step from an old transcript',
    false,
    () => playback(LAST_STEP),
    'one of 32 steps: as many answers as skipping 1/16 of the tiles',
  ),
  byStrategy('answers from a seed made before', true, guessed),
  byStrategy('memory filled before, from another seed', true, filledBefore),
  boundTo('answers of another hotkey, machine, grant, unit, barrier or block', [
    'hotkey',
    'machineKey',
    'grantHash',
    'unit',
    'barrierId',
    'blockHash',
  ]),
  boundTo('answers for another host key', ['hostKeyHash']),
]);
