/** Records that someone wants to be better than they are: praise bought by renting from oneself, and leaving to come back clean. */
import {
  inheritRecord,
  newRecord,
  observeRental,
  observeStart,
  observeUptime,
  observeVerdict,
  payReliability,
  publicScorePpm,
  returnRecord,
  sumRecords,
  type ReliabilityRecord,
} from '@celium/domain';

/** What was tried for a better record, each as pay after by pay before. */
export interface RecordFigures {
  /** Sixty days of renting from oneself at the reference price, by a cluster that nobody knows of. */
  payAfterSelfRental: number;
  /** What that does to the public score, which costs the fee of all those hours. */
  publicScoreBefore: number;
  publicScoreAfter: number;
  /** The same when the cluster is known. */
  publicScoreAfterKnown: number;
  /** Away for 1, 30, 60 and 90 days with a bad record: the best of them. */
  payAfterReturning: number;
  /** And after 120 days, when the record is forgotten as far as any is. */
  payAfterLongAbsence: number;
  /** The bad cards under a new coldkey, and new cards under the bad coldkey: the better of both. */
  payUnderNewKey: number;
}

const DAY = 24;

/** Plays each. */
export function tryRecords(): RecordFigures {
  const good = days(newRecord(0), 0, 30, () => true);
  const hour = 30 * DAY;
  const selfRented = (known: boolean): ReliabilityRecord =>
    Array.from({ length: 60 }, (_, day) => hour + (day + 1) * DAY).reduce((record, at) => {
      const lived = days(record, at - DAY, 1, () => true);
      const started = observeStart(lived, { hour: at, mystery: false, readyAfterPullMs: 1_000, ownCluster: known });
      const fee = { hour: at, hours: 24, endedByProviderFault: false, ownCluster: known, paidMicroUsdPerHour: 1n };
      return observeRental(started, { ...fee, referenceMicroUsdPerHour: 1n });
    }, good);
  const plain = days(good, hour, 60, () => true);
  const later = hour + 60 * DAY;
  const pay = (record: ReliabilityRecord, at: number): number =>
    Number(payReliability(record, at).reliabilityPpm) / 1e6;
  const score = (record: ReliabilityRecord): number => Number(publicScorePpm(record, later)) / 1e6;

  const bad = days(good, hour, 20, (at) => at % 2 === 0);
  const left = hour + 20 * DAY;
  const payLeft = pay(bad, left);
  const back = (away: number): number => pay(returnRecord(bad, left, left + away * DAY), left + away * DAY) / payLeft;
  const newCard = inheritRecord(newRecord(left), sumRecords([bad], left), left);
  const newKey = inheritRecord(bad, null, left);
  return {
    payAfterSelfRental: pay(selfRented(false), later) / pay(plain, later),
    publicScoreBefore: score(plain),
    publicScoreAfter: score(selfRented(false)),
    publicScoreAfterKnown: score(selfRented(true)),
    payAfterReturning: Math.max(...[1, 30, 60, 90].map(back)),
    payAfterLongAbsence: back(120),
    payUnderNewKey: Math.max(pay(newCard, left), pay(newKey, left)) / payLeft,
  };
}

/** Days of a record, checks and decoys as an honest network gives them. */
function days(
  start: ReliabilityRecord,
  from: number,
  count: number,
  isUp: (hour: number) => boolean,
): ReliabilityRecord {
  let record = start;
  for (let hour = from + 1; hour <= from + count * DAY; hour += 1) {
    record = observeUptime(record, hour, isUp(hour) ? 'up' : 'down', false);
    if (hour % 2 === 0) record = observeVerdict(record, hour, 'pass');
    if (hour % 120 === 0)
      record = observeStart(record, { hour, mystery: true, readyAfterPullMs: 60_000, ownCluster: false });
  }
  return record;
}
