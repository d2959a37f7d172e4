/** What validators found around a machine's units, and what its own inventory gives reason to look at, as tables for people. */

import type { Offer } from '@celium/contract';
import { MACHINE_PARTS } from '@celium/domain';
import { formatAge, formatBytes, formatDuration, formatTime } from './format.ts';
import { formatTable } from './table.ts';

type Part = NonNullable<Offer['machineCheck']>['parts'][string];
type Alarm = NonNullable<Offer['hostAlarms']>['alarms'][number];

/** One line for each part that was ever tested: verdict, date, figures, and the public reason of a failure. */
export function describeMachineCheck(check: Offer['machineCheck'], nowMs: number): string {
  if (check === null)
    return 'No validator has looked at disk, deploys, ports, network and location of this machine yet.\n';
  const untested = MACHINE_PARTS.filter((part) => check.parts[part] === undefined);
  const rows = MACHINE_PARTS.flatMap((name) => {
    const part = check.parts[name];
    if (part === undefined) return [];
    const when = `${formatTime(part.testedAtMs)} (${formatAge(part.testedAtMs, nowMs)})`;
    return [[name, part.verdict === 'fail' ? 'failed' : 'passed', when, figuresOf(name, part), reasonOf(part)]];
  });
  const columns = ['CHECKED', 'VERDICT', 'WHEN (UTC)', 'MEASURED', 'REASON'].map((title) => ({ title }));
  const missing = untested.length === 0 ? '' : `Not tested yet: ${untested.join(', ')}.\n`;
  return `${formatTable(columns, rows)}${missing}`;
}

/** Alarms of a host, one line each; none is said too, since silence could also be a host that tells nothing. */
export function describeHostAlarms(
  seen: Offer['hostAlarms'],
  nowMs: number,
  isShown: (alarm: Alarm) => boolean = () => true,
): string {
  if (seen === null) return 'The host has told nothing of itself lately.\n';
  const alarms = seen.alarms.filter(isShown);
  const heard = `by the host’s own word, ${formatAge(seen.seenAtMs, nowMs)}`;
  if (alarms.length === 0) return `No alarms of the host, ${heard}.\n`;
  const rows = alarms.map((alarm) => [alarm.code, alarm.unit ?? 'host', alarm.detail]);
  const columns = ['ALARM', 'OF', 'DETAIL'].map((title) => ({ title }));
  const watched = seen.watched ? 'This machine is watched: a renter may not get what a check found.\n' : '';
  return `${formatTable(columns, rows)}Alarms are hints, ${heard}.\n${watched}`;
}

function reasonOf(part: Part): string {
  return part.verdict === 'fail' ? `${part.code}: ${part.message}` : part.message;
}

/** The figures that a person asks for; what a receipt lacks is shown as `?`. */
function figuresOf(name: string, { figures }: Part): string {
  const number = (key: string): number | null => {
    const value = figures[key];
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  };
  const plain = (key: string): string => String(number(key) ?? '?');
  const bytes = (key: string): string => {
    const value = number(key);
    return value === null ? '?' : formatBytes(Math.round(value));
  };
  switch (name) {
    case 'storage':
      return `${bytes('bytesWritten')} written, reads of 64 KiB in ${plain('readP50Ms')} ms (p50), ${plain('readP99Ms')} ms (p99)`;
    case 'image': {
      const deployMs = number('deployMs');
      return `${bytes('imageBytes')} deployed in ${deployMs === null ? '?' : formatDuration(deployMs)}`;
    }
    case 'ports':
      return `${plain('reached')} of ${plain('tried')} reached, ${plain('rangeReached')} of the ${plain('rangePorts')} of the range lately`;
    case 'network':
      return `${bytes('upBytesPerSecond')}/s out, ${bytes('downBytesPerSecond')}/s in, from ${plain('vantages')} vantage points`;
    case 'location':
      return `round trip ${plain('rttMinMs')} ms: at most ${plain('distanceKmAtMost')} km away`;
    default:
      return '';
  }
}
