/** Where to log in, and which host key to accept: taken from the grant, which the offer's own machine must have signed. */

import { join } from 'node:path';
import { verifyDocument } from '@celium/chain';
import { CeliumError, type Rental } from '@celium/contract';
import { knownHostsLine, type Client } from '@celium/sdk';
import { writePrivateFile } from '../settings/private-file.ts';

/** The port inside a pod on which its SSH server listens. */
const SSH_POD_PORT = 22;

/** Everything that OpenSSH needs to reach one pod and nothing else. */
export interface PinnedTarget {
  host: string;
  port: number;
  user: string;
  /** `ssh-ed25519 AAAA...`: the only host key that is accepted. */
  hostKey: string;
  /** Name of the pod in its known_hosts file; two pods behind one address and port are still two names. */
  alias: string;
}

/**
 * The target of a rental whose grant is in.
 *
 * @throws CeliumError `RENTAL_ENDED`, `RENTAL_NOT_STARTING`; `SIGNATURE_WRONG` or `KEY_NOT_DELEGATED` when the grant is not the machine's;
 * `HOST_KEY_MISMATCH` when the market names another key or port than the grant.
 */
export async function pinTarget(client: Client, rental: Rental): Promise<PinnedTarget> {
  if (rental.state === 'ended') throw new CeliumError('RENTAL_ENDED', `Pod ${rental.rentalId} has ended.`);
  if (rental.grant === null || rental.ssh === null) {
    throw new CeliumError(
      'RENTAL_NOT_STARTING',
      `Pod ${rental.rentalId} is ${rental.state}: its machine has not answered yet.`,
    );
  }
  const offer = await client.call('getOffer', { params: { offerId: rental.offerId } });
  return targetOfGrant(rental, offer.machineKey);
}

/** The target of a rental, its grant checked against the key of the offer's machine. */
export function targetOfGrant(rental: Rental, machineKey: string): PinnedTarget {
  const verified = verifyDocument('grant', rental.grant, { signer: machineKey });
  if (!verified.ok) throw new CeliumError(verified.code, `The grant of pod ${rental.rentalId}: ${verified.message}.`);
  const grant = verified.body;
  const { ssh } = rental;
  if (ssh === null) throw new CeliumError('RENTAL_NOT_STARTING');
  const port = grant.ports.find((pair) => pair.pod === SSH_POD_PORT)?.host;
  if (ssh.hostKey !== grant.hostKey) {
    throw new CeliumError(
      'HOST_KEY_MISMATCH',
      'The market names another host key than the one that the machine has signed.',
    );
  }
  if (port === undefined || ssh.port !== port) {
    throw new CeliumError(
      'HOST_KEY_MISMATCH',
      'The market names another SSH port than the one that the machine has signed.',
    );
  }
  return { host: ssh.host, port, user: ssh.user, hostKey: grant.hostKey, alias: `celium-${grant.leaseId}` };
}

/** Writes the known_hosts file of one pod and returns its path. */
export function writeKnownHosts(configFolder: string, target: PinnedTarget): string {
  const path = join(configFolder, 'known-hosts', target.alias);
  writePrivateFile(path, knownHostsLine(target));
  return path;
}
