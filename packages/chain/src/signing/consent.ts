/** Consents of machine keys: made where the machine key is, checked wherever a manifest is read. */
import { DOCUMENTS, type ListedConsent, type MachineConsent, type ManifestMachine } from '@celium/contract';
import type { KeySigner } from '../keys/key-pair.ts';
import { signDocument, verifyDocument } from './documents.ts';

/** The machine key's word that its machine belongs to a hotkey, as the manifest carries it. */
export async function signConsent(machineKey: KeySigner, consent: MachineConsent): Promise<ListedConsent> {
  const { signature } = await signDocument('machine-consent', consent, machineKey);
  return { issuedAtMs: consent.issuedAtMs, signature };
}

/** Whether the machine key of a listing has agreed to be this hotkey's. */
export function hasConsent(
  hotkey: string,
  { machineId, machineKey, consent }: Pick<ManifestMachine, 'machineId' | 'machineKey' | 'consent'>,
): boolean {
  if (consent === undefined) return false;
  const { issuedAtMs, signature } = consent;
  const { version } = DOCUMENTS['machine-consent'];
  const body: MachineConsent = { hotkey, machineId, issuedAtMs };
  return verifyDocument('machine-consent', {
    document: 'machine-consent',
    version,
    body,
    signer: machineKey,
    signature,
  }).ok;
}
