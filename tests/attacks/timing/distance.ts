/** Cheats with the network: challenges relayed to another machine, probes held back for more time, walks spread over several devices. */
import { stepKind } from '@celium/proof';
import { runSteps, uniformSpeed } from './paced-device.ts';
import { type TimedAttack, timingFamily } from './timing-family.ts';

/** Decoys per machine and day, and the share of the time that a relay cheats: the expected days to its detection are one by their product. */
const DECOYS_PER_DAY = 0.2;
const CHEATING_SHARE = 1;

function relayed(extraMs: number): TimedAttack {
  return {
    attack: `relayed to an honest device elsewhere, ${extraMs} ms more each round trip`,
    targeted: false,
    note: `a real device answers, so no proof can tell; decoys: ${1 / (DECOYS_PER_DAY * CHEATING_SHARE)} days at ${DECOYS_PER_DAY} per machine and day when every rental is cheated`,
    rows: 'worst link',
    fails: ({ chain, random, isRefused }) =>
      isRefused({ stepMs: runSteps(chain, uniformSpeed(1), random), relayMs: extraMs / 2 }),
  };
}

function inflated(speed: number, pongDelayMs: number): TimedAttack {
  const targeted = speed <= 0.85;
  return {
    attack: `all axes at ${speed}, answers to probes held ${pongDelayMs} ms`,
    targeted,
    note: 'at most 300 ms of network time are credited',
    rows: 'worst link',
    fails: ({ chain, random, isRefused }) =>
      isRefused({ stepMs: runSteps(chain, uniformSpeed(speed), random), pongDelayMs }),
  };
}

/** Bytes of state that a walk ships with every hop that leaves a device: its four words and its number. */
const HOP_BYTES = 24;

/** Devices that are together as fast as the reference hold a part of the memory each; walks go on where the next cell lies. */
function aggregated(devices: number, link: string, bytesPerSecond: number): TimedAttack {
  return {
    attack: `${devices} devices as one, together as fast as the reference, over ${link}`,
    targeted: false,
    note: 'siblings in one machine are challenged together, so they cannot lend themselves',
    rows: 'worst link',
    fails({ chain, random, isRefused }) {
      const { walkers, hopsPerWalk } = chain.params;
      const leaving = walkers * hopsPerWalk * (1 - 1 / devices);
      // Each device sends its part of the leaving hops over a link of its own.
      const shippedMs = ((leaving * HOP_BYTES) / devices / bytesPerSecond) * 1e3;
      const stepMs = runSteps(chain, uniformSpeed(1), random);
      return isRefused({
        stepMs: stepMs.map((ms, step) => (stepKind(chain.params, step) === 'walk' ? Math.max(ms, shippedMs) : ms)),
      });
    },
  };
}

export const { family, runTries } = timingFamily('distance', import.meta.url, [
  relayed(0.5),
  relayed(2),
  relayed(10),
  relayed(50),
  inflated(0.85, 5_000),
  inflated(0.9, 5_000),
  aggregated(2, '100 Gbit/s Ethernet', 12.5e9),
  aggregated(2, 'PCIe 5', 55e9),
  aggregated(4, '10 Gbit/s Ethernet', 1.25e9),
]);
