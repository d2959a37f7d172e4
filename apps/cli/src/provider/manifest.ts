/** Signs the manifest of one machine: the provider's word on its machine, keys, price and markets. */

import { readFileSync } from 'node:fs';
import { signDocument, verifyDocument, type KeySigner } from '@celium/chain';
import type { ListedConsent, Manifest, ManifestMachine, Signed } from '@celium/contract';
import { writePrivateFile } from '../settings/private-file.ts';

/** What `main.ts init` of the agent tells about its machine. */
export interface MachineFacts {
  machineId: string;
  /** 64 hex digits. */
  machineKey: string;
  /** The machine key's consent to the hotkey that signs. */
  consent: ListedConsent;
  tlsKeyHash: string;
  units: string[];
  /** What NVIDIA's library says of them; absent without one. */
  gpus?: NonNullable<ManifestMachine['gpus']>;
  host: { cpuCores: number; memoryBytes: number; diskBytes: number };
  /** Only of a machine without a GPU. */
  declaredWorkPerSecond?: number;
}

/** What the provider decides. */
export interface MachineTerms {
  netuid: number;
  /** `https://host:port` of the agent's API. */
  agentUrl: string;
  publicHost: string;
  portRange: { from: number; to: number };
  priceMicroUsdPerUnitHour: bigint;
  location?: string;
  /** Where it stands in degrees: what checks of a place go by. */
  coordinates?: { latitude: number; longitude: number };
  markets: Array<{ url: string; key: string }>;
  payoutColdkey: string;
}

/**
 * Writes a newly signed manifest to `path`. Its serial is larger than that of the manifest that was there; machines of that manifest other than this one
 * are kept.
 */
export async function writeManifest(
  path: string,
  hotkey: KeySigner,
  facts: MachineFacts,
  terms: MachineTerms,
  nowMs: number,
): Promise<Signed<'manifest'>> {
  const before = readManifestOf(path, hotkey);
  const others = before?.machines.filter((machine) => machine.machineId !== facts.machineId) ?? [];
  const machine: Manifest['machines'][number] = {
    machineId: facts.machineId,
    machineKey: facts.machineKey,
    consent: facts.consent,
    agentUrl: terms.agentUrl,
    tlsKeyHash: facts.tlsKeyHash,
    publicHost: terms.publicHost,
    portRange: terms.portRange,
    units: facts.units,
    ...(facts.gpus === undefined ? {} : { gpus: facts.gpus }),
    offer: { priceMicroUsdPerUnitHour: String(terms.priceMicroUsdPerUnitHour), committedUntilMs: 0 },
    ...(facts.declaredWorkPerSecond === undefined ? {} : { declaredWorkPerSecond: facts.declaredWorkPerSecond }),
    host: {
      ...facts.host,
      ...(terms.location === undefined ? {} : { location: terms.location }),
      ...(terms.coordinates === undefined ? {} : { coordinates: terms.coordinates }),
    },
    markets: terms.markets,
    payoutColdkey: terms.payoutColdkey,
  };
  const body: Manifest = {
    hotkey: hotkey.ss58,
    netuid: terms.netuid,
    // The clock as floor: a serial that was lost with its file is not used again.
    serial: Math.max((before?.serial ?? 0) + 1, Math.floor(nowMs / 1000)),
    issuedAtMs: nowMs,
    machines: [...others, machine],
  };
  const signed = await signDocument('manifest', body, hotkey);
  writePrivateFile(path, `${JSON.stringify(signed, null, 2)}\n`);
  return signed;
}

/** The manifest at `path` when it is one of this hotkey; null otherwise. */
function readManifestOf(path: string, hotkey: Pick<KeySigner, 'ss58'>): Manifest | null {
  try {
    const verified = verifyDocument('manifest', JSON.parse(readFileSync(path, 'utf8')));
    return verified.ok && verified.body.hotkey === hotkey.ss58 ? verified.body : null;
  } catch {
    return null;
  }
}
