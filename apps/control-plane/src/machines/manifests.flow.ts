/** Taking in a manifest: who signed it, that it is not older than one we know, and what it says of this agent's machine. */
import { createHash } from 'node:crypto';
import { CeliumError, canonicalJson, type Manifest, type ManifestMachine } from '@celium/contract';
import { isPrivateHost } from '@celium/domain';
import { documentHash, hasConsent, toHex, verifyDocument } from '@celium/chain';
import type { Tx } from '../database/market-database.ts';
import type { MarketPorts } from '../ports.ts';
import { findOwner, lockManifest, revokeOthers, saveMachine, saveManifest } from './machines.store.ts';
import { closeOffers, saveOffer } from './offers.store.ts';

export interface ManifestParts {
  ports: MarketPorts;
  netuid: number;
  /** List machines at private addresses. */
  allowPrivate: boolean;
}

/** What became of a manifest: the machine of the key that showed it, and keys that it revoked. */
export interface AcceptedManifest {
  machine: ManifestMachine;
  hotkey: string;
  revokedKeys: string[];
}

/**
 * Checks a manifest shown by the agent with `machineKey`, stores it, and brings machines and offers to what it says.
 * Throws SIGNATURE_WRONG, DOCUMENT_UNKNOWN, BAD_REQUEST, KEY_NOT_DELEGATED or CONFLICT (an older serial, or a second of one number).
 */
export async function acceptManifest(
  parts: ManifestParts,
  tx: Tx,
  received: unknown,
  machineKey: string,
): Promise<AcceptedManifest> {
  const verified = verifyDocument('manifest', received);
  if (!verified.ok) throw new CeliumError(verified.code, verified.message);
  const { body: manifest, signed, ss58 } = verified;
  if (manifest.hotkey !== ss58) {
    throw new CeliumError('KEY_NOT_DELEGATED', `the manifest of ${manifest.hotkey} is signed by ${ss58}`);
  }
  if (manifest.netuid !== parts.netuid) {
    throw new CeliumError(
      'BAD_REQUEST',
      `the manifest is for subnet ${manifest.netuid}, this market is on ${parts.netuid}`,
    );
  }
  const machine = findOwnMachine(parts, manifest, machineKey);
  const hash = documentHash(signed);
  const known = await lockManifest(tx, manifest.hotkey);
  if (known !== null && manifest.serial < known.serial) {
    const message = `this manifest is number ${manifest.serial}, number ${known.serial} is known here: show the newest`;
    throw new CeliumError('CONFLICT', message);
  }
  if (known !== null && manifest.serial === known.serial) {
    if (known.hash !== hash) {
      throw new CeliumError(
        'CONFLICT',
        `another manifest with number ${manifest.serial} is known here: sign it with a higher number`,
      );
    }
    // The first connection of another machine of a manifest that is known.
    await saveMachines(parts, tx, manifest, machineKey);
    return { machine, hotkey: manifest.hotkey, revokedKeys: [] };
  }
  const nowMs = parts.ports.clock.now();
  await saveManifest(tx, signed, hash, nowMs);
  const kept = await saveMachines(parts, tx, manifest, machineKey);
  const revokedKeys = await revokeOthers(tx, manifest.hotkey, kept, nowMs);
  await closeOffers(tx, revokedKeys, nowMs);
  return { machine, hotkey: manifest.hotkey, revokedKeys };
}

function findOwnMachine(parts: ManifestParts, manifest: Manifest, machineKey: string): ManifestMachine {
  const machine = manifest.machines.find((listed) => listed.machineKey === machineKey);
  if (machine === undefined) throw new CeliumError('KEY_NOT_DELEGATED', 'the manifest does not list this machine key');
  if (!hasConsent(manifest.hotkey, machine)) {
    throw new CeliumError(
      'KEY_NOT_DELEGATED',
      `the manifest lacks the consent of ${machine.machineId} to ${manifest.hotkey}: join again, which signs it with the machine key`,
    );
  }
  if (!sellsHere(parts, machine)) {
    throw new CeliumError(
      'KEY_NOT_DELEGATED',
      `the manifest does not list this market (${marketKey(parts)}) for ${machine.machineId}`,
    );
  }
  const fault = faultOfMachine(parts, machine);
  if (fault !== null) throw new CeliumError('BAD_REQUEST', fault);
  return machine;
}

/** The first thing wrong with a machine of a manifest, in words, or null. */
function faultOfMachine(parts: ManifestParts, machine: ManifestMachine): string | null {
  const { from, to } = machine.portRange;
  if (from > to) return `${machine.machineId}: the port range ends before it begins`;
  if (new Set(machine.units).size !== machine.units.length) return `${machine.machineId}: a unit is listed twice`;
  const cpuUnits = machine.units.filter((unit) => unit.startsWith('cpu:'));
  if (cpuUnits.length > 0 && (machine.units.length > 1 || cpuUnits[0] !== `cpu:${machine.machineId}`)) {
    return `${machine.machineId}: a machine without a GPU has the one unit cpu:${machine.machineId}`;
  }
  if (parts.allowPrivate) return null;
  for (const host of [machine.publicHost, new URL(machine.agentUrl).hostname]) {
    if (isPrivateHost(host)) {
      return `${machine.machineId}: ${host} is a private address; markets list those only when started with --allow-private`;
    }
  }
  return null;
}

/**
 * Writes the machines of a manifest. Of machines that have not shown it themselves only those that are the hotkey's already:
 * a manifest may name anyone's key, but only who holds it can connect with it, and the manifest that it shows last has its consent.
 */
async function saveMachines(parts: ManifestParts, tx: Tx, manifest: Manifest, shownBy: string): Promise<string[]> {
  const { clock, randomness } = parts.ports;
  const kept: string[] = [];
  for (const machine of manifest.machines) {
    if (!sellsHere(parts, machine) || faultOfMachine(parts, machine) !== null) continue;
    const isShown = machine.machineKey === shownBy;
    if (!isShown && (await findOwner(tx.db, machine.machineKey)) !== manifest.hotkey) continue;
    kept.push(machine.machineKey);
    await saveMachine(tx, manifest.hotkey, machine);
    const terms = termsOf(manifest.hotkey, machine);
    await saveOffer(tx, terms, hashOfTerms(terms), randomness.uuid(), clock.now());
  }
  return kept;
}

function termsOf(hotkey: string, machine: ManifestMachine): Parameters<typeof saveOffer>[1] {
  return {
    machineKey: machine.machineKey,
    hotkey,
    machineId: machine.machineId,
    units: machine.units,
    priceMicroUsdPerUnitHour: BigInt(machine.offer.priceMicroUsdPerUnitHour),
    committedUntilMs: machine.offer.committedUntilMs,
    host: machine.host,
    payoutColdkey: machine.payoutColdkey,
    simulated: machine.simulated === true,
  };
}

function hashOfTerms(terms: Parameters<typeof saveOffer>[1]): string {
  return createHash('sha256').update(canonicalJson(terms)).digest('hex');
}

function sellsHere(parts: ManifestParts, machine: ManifestMachine): boolean {
  return machine.markets.some((market) => market.key === marketKey(parts));
}

function marketKey(parts: ManifestParts): string {
  return toHex(parts.ports.key.publicKey);
}
