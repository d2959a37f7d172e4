/** The consent: the machine key's own word that it belongs to a hotkey. A listing in a manifest counts for nothing without it. */

import { z } from 'zod';
import { hex64, machineId, ss58, unixMs } from '../fields.ts';

/** What the machine key signs. In a manifest only the last two of its parts travel, the rest stands beside them. */
export const machineConsentBody = z.looseObject({
  /** Whose machine it is. */
  hotkey: ss58,
  machineId,
  /** Of two consents of one machine key the later one counts. */
  issuedAtMs: unixMs,
});

/** A consent as a manifest carries it: time and signature; hotkey, machine and key are those of the manifest. */
export const listedConsent = z.looseObject({ issuedAtMs: unixMs, signature: hex64 });

export type MachineConsent = z.infer<typeof machineConsentBody>;
export type ListedConsent = z.infer<typeof listedConsent>;
