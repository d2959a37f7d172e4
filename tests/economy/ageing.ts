/** What an honest machine's pay reliability becomes with age, by the real rules: perfect uptime, a check every two hours, a decoy every five days. */
import { newRecord, observeStart, observeUptime, observeVerdict, payReliability } from '@celium/domain';

const DAYS = 90;

/** Pay reliability in millionths on each day of a perfect machine's life; the last stands for all later ones. */
export function reliabilityByAge(): bigint[] {
  let record = newRecord(0);
  const byDay = [payReliability(record, 0).reliabilityPpm];
  for (let hour = 1; hour <= DAYS * 24; hour += 1) {
    record = observeUptime(record, hour, 'up', false);
    if (hour % 2 === 0) record = observeVerdict(record, hour, 'pass');
    if (hour % 120 === 0)
      record = observeStart(record, { hour, mystery: true, readyAfterPullMs: 60_000, ownCluster: false });
    if (hour % 24 === 0) byDay.push(payReliability(record, hour).reliabilityPpm);
  }
  return byDay;
}
