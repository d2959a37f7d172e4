/** Examples of what validators say of the surroundings of a machine's units: one that passed, the longest that fails, and what another vantage point saw. */

import type { MachineReceipt, VantageReport } from '@celium/contract';

/** What all examples of one run of the generator share. */
export interface ExampleFacts {
  receiptId: string;
  validator: string;
  hotkey: string;
  machineKey: string;
  grantHash: string;
  hostKeyHash: string;
  blockHash: string;
  startedAtMs: number;
}

const DONE = { verdict: 'pass', code: 'OK', message: '' } as const;

/** A check of a laptop on which no large deploy was due and whose manifest names no place. */
export function passedMachineReceipt(facts: ExampleFacts): MachineReceipt {
  return {
    ...facts,
    machineId: 'laptop',
    blockNumber: 1_234,
    endedAtMs: facts.startedAtMs + 90_000,
    verdict: 'pass',
    parts: {
      storage: {
        ...DONE,
        bytesWritten: 1_073_741_824,
        bytesRead: 4_194_304,
        passes: 1_024,
        readP50Ms: 0.41,
        readP90Ms: 0.66,
        readP99Ms: 1.9,
      },
      image: {
        verdict: 'not-tested',
        code: 'NOT_DUE',
        message: 'a large deploy is made once a week',
        digest: '',
        imageBytes: 0,
        bytesRead: 0,
        deployMs: 0,
      },
      ports: { ...DONE, tried: 8, reached: 8, rangeReached: 40, rangePorts: 100 },
      network: {
        ...DONE,
        message: 'one vantage point: the validator alone',
        upBytesPerSecond: 48_000_000,
        downBytesPerSecond: 61_000_000,
        payloadBytes: 4_194_304,
        vantages: 1,
      },
      location: {
        verdict: 'not-tested',
        code: 'NO_COORDINATES',
        message: 'the manifest names no place in degrees',
        rttMinMs: 12.4,
        distanceKmAtMost: 1_266,
        vantages: 1,
      },
    },
  };
}

/** Every part fails with words of the greatest length: it still has to fit. */
export function longestMachineReceipt(facts: ExampleFacts): MachineReceipt {
  const failed = (code: string) => ({ verdict: 'fail' as const, code, message: 'm'.repeat(80) });
  return {
    ...passedMachineReceipt(facts),
    verdict: 'fail',
    parts: {
      storage: {
        ...failed('DISK_WRONG_DATA'),
        bytesWritten: 1_099_511_627_776,
        bytesRead: 4_194_304,
        passes: 1_024,
        readP50Ms: 1_000.41,
        readP90Ms: 1_000.66,
        readP99Ms: 1_001.9,
      },
      image: {
        ...failed('IMAGE_WRONG_CONTENT'),
        digest: `sha256:${'ab'.repeat(32)}`,
        imageBytes: 21_474_836_480,
        bytesRead: 1_048_576,
        deployMs: 612_345,
      },
      ports: { ...failed('PORT_CLOSED'), tried: 8, reached: 7, rangeReached: 1_000, rangePorts: 10_000 },
      network: {
        ...failed('TRANSFER_FAILED'),
        upBytesPerSecond: 1_048_576_000,
        downBytesPerSecond: 1_061_000_000,
        payloadBytes: 16_777_216,
        vantages: 3,
      },
      location: { ...failed('LOCATION_CONTRADICTED'), rttMinMs: 112.45, distanceKmAtMost: 11_266, vantages: 3 },
    },
  };
}

/** What a validator in Helsinki saw of a port. */
export function vantageReportExample(atMs: number): VantageReport {
  return {
    nonce: '5a'.repeat(32),
    host: '203.0.113.7',
    port: 40_001,
    reached: true,
    rttMinMs: 12.4,
    upBytesPerSecond: 48_000_000,
    downBytesPerSecond: 61_000_000,
    coordinates: { latitude: 60.17, longitude: 24.94 },
    atMs,
  };
}
