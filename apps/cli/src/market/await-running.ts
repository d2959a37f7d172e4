/** Waits until a pod runs, telling a person what it waits for. */

import { CeliumError, type Rental } from '@celium/contract';
import type { Client } from '@celium/sdk';
import type { CliContext } from '../context.ts';
import { shortId } from '../output/format.ts';
import { startSpinner } from '../output/spinner.ts';

/** How long one question may be held back by the market, in milliseconds. */
const HELD_BACK_MS = 10_000;
/** As long as a start may take by the rules (image pull included), and a little more; then the market has ended it. */
const MAX_QUESTIONS = 200;

/** The rental once it runs, or the one that took over from it. Throws `POD_START_FAILED` with the reason when it ended instead. */
export async function awaitRunning(context: CliContext, client: Client, rental: Rental): Promise<Rental> {
  let latest = rental;
  const spinner = startSpinner(context, `pod ${shortId(rental.rentalId)}`);
  try {
    for (let question = 0; question < MAX_QUESTIONS; question += 1) {
      if (latest.state === 'running') return latest;
      if (latest.movedTo !== null) {
        context.process.stderr.write(`${movedWords(latest)}\n`);
        latest = await client.call('getRental', { params: { rentalId: latest.movedTo }, query: {} });
        continue;
      }
      if (latest.state === 'ended' || latest.state === 'stopping') throw endedInstead(latest);
      spinner.say(latest.detail === null ? latest.state : `${latest.state}: ${latest.detail}`);
      const params = { rentalId: latest.rentalId };
      latest = await client.call('getRental', { params, query: { waitFor: 'running', waitMs: HELD_BACK_MS } });
    }
    throw new CeliumError('TIMEOUT', `Pod ${rental.rentalId} is still ${latest.state}.`);
  } finally {
    spinner.stop();
  }
}

function movedWords(rental: Rental): string {
  return `${shortId(rental.rentalId)} on ${rental.machineId} is not handed over: ${rental.detail ?? rental.endReason ?? 'moved'}. It goes on as ${shortId(rental.movedTo ?? '')}.`;
}

function endedInstead(rental: Rental): CeliumError {
  const reason = rental.detail === null ? '' : `: ${rental.detail}`;
  const message = `Pod ${rental.rentalId} ${rental.state === 'ended' ? 'ended' : 'is stopping'} before it was ready (${rental.endReason ?? 'unknown'})${reason}. Nothing was charged for the start.`;
  switch (rental.endReason) {
    case 'check-failed':
      return new CeliumError('POD_START_FAILED', message, {
        details: { remedy: '`celium ls` shows what else there is; `celium up` takes the cheapest offer that fits.' },
      });
    case 'agent-refused':
      return new CeliumError('OFFER_TAKEN', message);
    case 'agent-silent':
      return new CeliumError('AGENT_UNAVAILABLE', message);
    case 'renter-stopped':
    case 'operator-stopped':
      return new CeliumError('RENTAL_ENDED', message);
    default:
      return new CeliumError('POD_START_FAILED', message);
  }
}
