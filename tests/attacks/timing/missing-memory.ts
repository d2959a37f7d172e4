/**
 * Devices with less memory than they claim that have every answer right all the same, in time or not: missing cells are made again, or lie behind the host's link. And the best mix: what
 * there is no time to make again is invented, and the draw decides.
 */
import { CELL_BYTES, drawSamples, type ProofParams, segmentsPerRow, stepKind, type StepKind } from '@celium/proof';
import { referenceStepMs, REFERENCE, runSteps, uniformSpeed } from './paced-device.ts';
import { type TimedAttack, type TimedSetting, timingFamily } from './timing-family.ts';

/** Cells that a step reads. */
function cellsRead(params: ProofParams, kind: StepKind): number {
  if (kind === 'sweep') return params.memoryBytes / CELL_BYTES;
  if (kind === 'walk') return params.walkers * params.hopsPerWalk;
  return 2 * params.productSize * segmentsPerRow(params);
}

/** Milliseconds to make the missing ones among them again. */
function remakeMs(params: ProofParams, kind: StepKind, short: number): number {
  return ((cellsRead(params, kind) * short * params.fillIterations) / REFERENCE.cellIterations) * 1e3;
}

/** Milliseconds by which a step takes longer because missing cells come over the host's link while the rest is read at full speed. */
function fetchMs(params: ProofParams, kind: StepKind, short: number): number {
  const bytesPerSecond = kind === 'sweep' ? REFERENCE.hostLinkBytes : REFERENCE.hostLinkBytes / 3;
  const overLinkMs = ((cellsRead(params, kind) * short * CELL_BYTES) / bytesPerSecond) * 1e3;
  return kind === 'sweep' || kind === 'walk' ? Math.max(0, overLinkMs - referenceStepMs(params, kind)) : overLinkMs;
}

function remade(short: number): TimedAttack {
  return {
    attack: `${short * 100} % short, missing cells made again`,
    targeted: short >= 0.05,
    rows: 'worst link',
    fails: ({ chain, random, isRefused }) =>
      isRefused({ stepMs: runSteps(chain, uniformSpeed(1), random, (kind) => remakeMs(chain.params, kind, short)) }),
  };
}

function fetched(short: number): TimedAttack {
  return {
    attack: `${short * 100} % short, missing cells in host memory over PCIe 5`,
    targeted: short >= 0.05,
    rows: 'worst link',
    fails: ({ chain, random, isRefused }) =>
      isRefused({ stepMs: runSteps(chain, uniformSpeed(1), random, (kind) => fetchMs(chain.params, kind, short)) }),
  };
}

/** Leaves with missing cells are invented; of the walks that meet one, as many as time allows are walked right and the others invented. */
function mixed(short: number): TimedAttack {
  return {
    attack: `${short * 100} % short, best mix of inventing and making again`,
    targeted: short >= 0.05,
    rows: 'worst link',
    fails(setting) {
      const { chain, random, isRefused } = setting;
      const invented = inventedWalks(setting, short);
      const stepMs = runSteps(chain, uniformSpeed(1), random, (kind) =>
        kind === 'sweep' ? 0 : remakeMs(chain.params, kind, short) * (kind === 'walk' ? 1 - invented : 1),
      );
      if (isRefused({ stepMs })) return true;
      const samples = drawSamples(chain.params, random.bytes(32), random.bytes(32));
      return samples.some(({ step }) => {
        const kind = stepKind(chain.params, step);
        if (kind === 'sweep') return random.unit() < short;
        return kind === 'walk' && random.unit() < invented;
      });
    },
  };
}

/** The share of the walks that has to be invented so that the chain is expected to end 2 % before its limit without network. */
function inventedWalks({ chain }: TimedSetting, short: number): number {
  let sparedMs = 0;
  let walksMs = 0;
  for (const [step, ms] of chain.stepMs.entries()) {
    const kind = stepKind(chain.params, step);
    sparedMs += ms * (0.98 / 0.92 - 1);
    if (kind === 'walk') walksMs += remakeMs(chain.params, kind, short);
    else if (kind !== 'sweep') sparedMs -= remakeMs(chain.params, kind, short);
  }
  return Math.min(1, Math.max(0, 1 - Math.max(0, sparedMs) / walksMs));
}

export const { family, runTries } = timingFamily('missing-memory', import.meta.url, [
  remade(0.01),
  remade(0.02),
  remade(0.05),
  remade(0.2),
  fetched(0.01),
  fetched(0.02),
  fetched(0.05),
  fetched(0.2),
  mixed(0.01),
  mixed(0.02),
  mixed(0.05),
  mixed(0.2),
]);
