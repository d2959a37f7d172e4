/** The storage part: has disk blocks written, walks over them against a deadline, and recomputes every answer. */

import type { MachineParts } from '@celium/contract';
import { diskBlocksToWrite, judgeDisk, DISK_RULE, readLatencies, walkLimitMs, type SeenWalk } from '@celium/domain';
import { DISK_BLOCK_BYTES } from '@celium/proof';
import { lagExcuses } from '../check/loop-lag.ts';
import type { LagMeter, RandomBytes, ValidatorClock } from '../ports.ts';
import type { BlockAuditor } from './block-audit.ts';
import { PodSessionFault, type PodSession } from './pod-session.ts';

/** How much is written, and how dear each block is to make again. */
export interface StorageSizes {
  budgetBytes: number;
  passes: number;
  /** How long writing may take, in milliseconds; what is not there by then is not tested. */
  writeLimitMs: number;
}

export interface StoragePorts {
  clock: ValidatorClock;
  randomBytes: RandomBytes;
  lag: LagMeter;
  blockAuditor: BlockAuditor;
  /** Runs that are being timed; this one among them. */
  timing: Set<string>;
}

/** What came of it: the part of the machine receipt, and what recomputing cost us. */
export interface StorageOutcome {
  part: MachineParts['storage'];
  auditCpuSeconds: number;
}

const WORDS: Record<string, string> = {
  OK: '',
  DISK_FAULT: 'the disk took nothing',
  DISK_SHORT: 'the disk was full before the share that is sold',
  DISK_WRONG_DATA: 'what was read is not what was written',
  DISK_SLOW: 'random reads of 64 KiB took longer than a disk that is sold may take',
  VALIDATOR_STALLED: 'our own event loop stalled while reads were timed',
};

/** Tests the disk of a pod. `share` is what of the machine the pod has. Never throws for what a pod does. */
export async function testStorage(
  ports: StoragePorts,
  session: PodSession,
  share: { soldBytes: number; testedUnits: number; allUnits: number },
  sizes: StorageSizes,
  rttMinMs: number,
): Promise<StorageOutcome> {
  const askedBlocks = diskBlocksToWrite({ ...share, budgetBytes: sizes.budgetBytes });
  const key = ports.randomBytes(32);
  const seen = { askedBlocks, writtenBlocks: 0, full: false, walks: [] as SeenWalk[], rttMinMs };
  let auditCpuSeconds = 0;
  try {
    const written = await session.write({
      key,
      blocks: askedBlocks,
      passes: sizes.passes,
      limitMs: sizes.writeLimitMs,
    });
    Object.assign(seen, { writtenBlocks: written.blocks, full: written.full });
    if (written.blocks > 0) {
      const walks = await timeWalks(ports, session, rttMinMs);
      const reads = { key, blocks: written.blocks, passes: sizes.passes, walks };
      const audit = await ports.blockAuditor.countWrong(reads);
      auditCpuSeconds = audit.cpuSeconds;
      seen.walks = walks.map(({ arrivalsMs, excused }, walk) => ({
        arrivalsMs,
        excused,
        wrong: audit.wrong[walk] ?? null,
      }));
    }
  } catch (fault) {
    if (!(fault instanceof PodSessionFault)) throw fault;
    // Whoever ends the session half-way must not be better off than whoever fails it.
    const code = fault.fault === 'timeout' && seen.writtenBlocks > 0 ? 'DISK_SLOW' : 'DISK_FAULT';
    return outcomeOf(seen, sizes, auditCpuSeconds, { verdict: 'fail', code }, fault.message);
  }
  return outcomeOf(seen, sizes, auditCpuSeconds, judgeDisk(seen));
}

function outcomeOf(
  seen: { writtenBlocks: number; walks: readonly SeenWalk[] },
  sizes: StorageSizes,
  auditCpuSeconds: number,
  judged: { verdict: MachineParts['storage']['verdict']; code: string },
  message = WORDS[judged.code] ?? '',
): StorageOutcome {
  const { p50Ms, p90Ms, p99Ms } = readLatencies(seen.walks);
  const part = {
    verdict: judged.verdict,
    code: judged.code,
    message,
    bytesWritten: seen.writtenBlocks * DISK_BLOCK_BYTES,
    bytesRead: seen.walks.reduce((sum, walk) => sum + walk.arrivalsMs.length, 0) * DISK_BLOCK_BYTES,
    passes: sizes.passes,
    readP50Ms: p50Ms,
    readP90Ms: p90Ms,
    readP99Ms: p99Ms,
  };
  return { part, auditCpuSeconds };
}

interface TimedWalk {
  nonce: Uint8Array;
  digests: Uint8Array[];
  arrivalsMs: number[];
  excused: boolean;
}

/** All walks, one after another; whatever else this process has to do waits meanwhile. */
async function timeWalks(ports: StoragePorts, session: PodSession, rttMinMs: number): Promise<TimedWalk[]> {
  const run = `disk-${Buffer.from(ports.randomBytes(8)).toString('hex')}`;
  const limitMs = walkLimitMs(DISK_RULE.hopsPerWalk, rttMinMs);
  const walks: TimedWalk[] = [];
  ports.timing.add(run);
  try {
    for (let walk = 0; walk < DISK_RULE.walks; walk += 1) {
      const nonce = ports.randomBytes(32);
      const lag = ports.lag.start();
      const hops = await session.walk(nonce, DISK_RULE.hopsPerWalk, limitMs);
      const lateByMs = (hops.at(-1)?.atMs ?? 0) - limitMs;
      const lagMs = lag.stop();
      walks.push({
        nonce,
        digests: hops.map((hop) => hop.digest),
        arrivalsMs: hops.map((hop) => hop.atMs),
        excused: lateByMs > 0 && lagExcuses(lateByMs, lagMs),
      });
    }
  } finally {
    ports.timing.delete(run);
  }
  return walks;
}
