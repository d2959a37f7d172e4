/**
 * Whose a machine key is. Anybody can write any key into a manifest, so a listing counts only with the key's own consent, and of several consents the latest:
 * a machine that moved says so itself, whatever its former owner goes on to list.
 */

/** A listing of one machine key to which that key has consented. */
export interface ConsentedListing {
  hotkey: string;
  /** When the machine key signed its consent, unix ms by its own clock. */
  issuedAtMs: number;
}

/** The one listing of a machine key that counts, or null: two hotkeys with consents of one moment are a conflict, and it counts for neither. */
export function listingThatCounts<Listing extends ConsentedListing>(listings: readonly Listing[]): Listing | null {
  const newest = Math.max(...listings.map(({ issuedAtMs }) => issuedAtMs));
  const [first, ...others] = listings.filter(({ issuedAtMs }) => issuedAtMs === newest);
  return first === undefined || others.some(({ hotkey }) => hotkey !== first.hotkey) ? null : first;
}
