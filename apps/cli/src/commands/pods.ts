/** `celium ps` and `celium rm`: the pods of an account. */

import { buildCommand } from '@stricli/core';
import { CeliumError, type Rental } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { connectAsAccount } from '../market/connect.ts';
import { findRental } from '../market/match-id.ts';
import { formatDuration, formatUsd, shortId } from '../output/format.ts';
import { writeResult } from '../output/result.ts';
import { formatTable } from '../output/table.ts';
import { clientFlags, describe, yesFlag, type ClientFlags } from './flags.ts';

/** How long `rm` waits for the machine to say that the pod is gone, in milliseconds. */
const STOP_WAIT_MS = 60_000;

interface PsFlags extends ClientFlags {
  all?: boolean | undefined;
}

export const psCommand = buildCommand<PsFlags, [], CliContext>({
  async func(flags) {
    const client = connectAsAccount(this, flags.market);
    const { rentals } = await client.call('listRentals', { query: { all: flags.all === true ? 'true' : 'false' } });
    writeResult(this, flags.json, rentals, () => describePods(rentals, this.nowMs(), flags.all === true));
  },
  parameters: {
    flags: {
      ...clientFlags,
      all: { kind: 'boolean', brief: 'Also pods that have ended', optional: true, withNegated: false },
    },
    aliases: { a: 'all' },
  },
  docs: {
    brief: 'List your pods',
    fullDescription: describe('Lists your pods: their state, what they have cost so far, and how to log in.', [
      ['celium ps', 'pods that are not over'],
      ['celium ps -a', 'also those that have ended, and why'],
      ['celium ps --json', 'everything there is to know, for a program'],
    ]),
  },
});

function describePods(rentals: readonly Rental[], nowMs: number, all: boolean): string {
  if (rentals.length === 0) return `No pods${all ? ' yet' : ' now'}. Rent one with \`celium up\`.\n`;
  const rows = rentals.map((rental) => [
    shortId(rental.rentalId),
    stateOf(rental),
    rental.class ?? '-',
    String(rental.units.length),
    `${formatUsd(rental.priceMicroUsdPerHour)}/h`,
    rental.readyAtMs === null ? '-' : formatDuration((rental.endedAtMs ?? nowMs) - rental.readyAtMs),
    formatUsd(rental.chargedMicroUsd),
    rental.image,
    rental.ssh === null || rental.state === 'ended' ? '-' : `${rental.ssh.user}@${rental.ssh.host}:${rental.ssh.port}`,
  ]);
  return formatTable(
    [
      { title: 'POD' },
      { title: 'STATE' },
      { title: 'CLASS' },
      { title: 'UNITS', align: 'right' },
      { title: 'PRICE', align: 'right' },
      { title: 'UP', align: 'right' },
      { title: 'COST', align: 'right' },
      { title: 'IMAGE' },
      { title: 'SSH' },
    ],
    rows,
  );
}

/** The state in words: why it ended, or that the machine cannot be reached. */
export function stateOf(rental: Rental): string {
  if (rental.state === 'ended') return `ended (${rental.endReason ?? 'unknown'})`;
  return rental.unreachable ? `${rental.state} (unreachable)` : rental.state;
}

interface RmFlags extends ClientFlags {
  yes?: boolean | undefined;
}

export const rmCommand = buildCommand<RmFlags, string[], CliContext>({
  async func(flags, ...pods) {
    const client = connectAsAccount(this, flags.market);
    const found: Rental[] = [];
    for (const pod of pods) found.push(await findRental(client, pod));
    if (flags.yes !== true && this.isInteractive) {
      const names = found.map((rental) => shortId(rental.rentalId)).join(', ');
      if (
        !(await this.ask.confirm(
          `Stop ${names}? What is on ${found.length === 1 ? 'its disk' : 'their disks'} is lost.`,
        ))
      ) {
        throw new CeliumError('USAGE', 'Nothing was stopped.');
      }
    }
    const ended: Rental[] = [];
    for (const rental of found) {
      const params = { rentalId: rental.rentalId };
      if (rental.state !== 'ended') await client.call('stopRental', { params });
      ended.push(await client.call('getRental', { params, query: { waitFor: 'ended', waitMs: STOP_WAIT_MS } }));
    }
    writeResult(this, flags.json, ended, () => ended.map(describeEnd).join(''));
  },
  parameters: {
    flags: { ...clientFlags, yes: yesFlag },
    aliases: { y: 'yes' },
    positional: {
      kind: 'array',
      minimum: 1,
      parameter: { parse: String, placeholder: 'pod', brief: 'Pods, by id or its beginning' },
    },
  },
  docs: {
    brief: 'Stop pods',
    fullDescription: describe('Stops pods. They are not billed from this moment on; what is on their disks is lost.', [
      ['celium rm 3f2a9c1e', 'stop one pod'],
      ['celium rm 3f2a 77b0 --yes', 'stop two without being asked'],
    ]),
  },
});

function describeEnd(rental: Rental): string {
  const cost = `${formatUsd(rental.chargedMicroUsd)} for ${formatDuration(rental.billableMs)}`;
  if (rental.state === 'ended') return `${shortId(rental.rentalId)} ended: ${cost}\n`;
  return `${shortId(rental.rentalId)} is ${rental.state}: the machine has not confirmed yet; it is not billed any more (${cost} so far)\n`;
}
