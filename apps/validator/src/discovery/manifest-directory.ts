/** The newest manifest of every hotkey, signature checked, kept across restarts: an older serial never replaces a newer one. Machines count with their key's consent. */

import type { DatabaseSync } from 'node:sqlite';
import { hasConsent, verifyDocument } from '@celium/chain';
import type { ManifestMachine, Signed } from '@celium/contract';
import { listingThatCounts } from '@celium/domain';

/** A machine as a provider's newest manifest lists it. */
export interface KnownMachine {
  /** The provider's hotkey, as an address and as its public key in hex. */
  hotkey: string;
  hotkeyHex: string;
  machine: ManifestMachine;
}

export type ManifestVerdict =
  | { ok: true; news: boolean }
  | {
      ok: false;
      code: 'BAD_REQUEST' | 'DOCUMENT_UNKNOWN' | 'SIGNATURE_WRONG' | 'KEY_NOT_DELEGATED' | 'CONFLICT';
      message: string;
    };

/** The most hotkeys that are remembered. */
const MAX_MANIFESTS = 10_000;
/** Signatures of consents that are checked in one turn of the event loop: a few milliseconds, so that no proof is timed late. */
const CONSENTS_PER_TURN = 2;
/** The most that one call of `admit` checks; the next goes on. */
const CONSENTS_PER_CALL = 4_000;

/** Whether the key of a listing agreed to be this hotkey's. */
export type CheckConsent = (hotkey: string, machine: ManifestMachine) => boolean;

/** Manifests by hotkey. */
export class ManifestDirectory {
  readonly #database: DatabaseSync;
  readonly #checkConsent: CheckConsent;
  readonly #manifests = new Map<string, Signed<'manifest'>>();
  /** What the check of each listing with a consent said, by hotkey and `listingName`. */
  readonly #agreed = new Map<string, Map<string, boolean>>();
  /** Hotkeys with listings whose consents are still to be checked. */
  readonly #waiting = new Set<string>();
  #machines: readonly KnownMachine[] | null = null;

  constructor(database: DatabaseSync, checkConsent: CheckConsent = hasConsent) {
    this.#database = database;
    this.#checkConsent = checkConsent;
    const rows = database.prepare('SELECT hotkey, signed FROM manifests').all() as unknown as Array<{
      hotkey: string;
      signed: string;
    }>;
    for (const row of rows) {
      this.#manifests.set(row.hotkey, JSON.parse(row.signed) as Signed<'manifest'>);
      this.#waiting.add(row.hotkey);
    }
    this.#checkSome();
  }

  /**
   * Checks a manifest that came from anywhere and keeps it when it is the newest of its hotkey.
   *
   * @param expected.netuid the subnet that it must be for; `expected.hotkey` whose it must be, when that is known
   */
  take(received: unknown, expected: { netuid: number; hotkey?: string }, nowMs: number): ManifestVerdict {
    if (this.#isKnown(received, expected)) return { ok: true, news: false };
    const document = verifyDocument('manifest', received);
    if (!document.ok) return document;
    const { hotkey, serial, netuid } = document.body;
    if (document.ss58 !== hotkey)
      return {
        ok: false,
        code: 'KEY_NOT_DELEGATED',
        message: `the manifest names ${hotkey} but is signed by ${document.ss58}`,
      };
    if (expected.hotkey !== undefined && expected.hotkey !== hotkey)
      return {
        ok: false,
        code: 'KEY_NOT_DELEGATED',
        message: `the manifest is of ${hotkey}, not of ${expected.hotkey}`,
      };
    if (netuid !== expected.netuid)
      return {
        ok: false,
        code: 'CONFLICT',
        message: `the manifest is for subnet ${netuid}, this is ${expected.netuid}`,
      };
    const known = this.#manifests.get(hotkey);
    if (known !== undefined && serial < known.body.serial)
      return {
        ok: false,
        code: 'CONFLICT',
        message: `serial ${serial} is older than ${known.body.serial}, which was seen before`,
      };
    if (known !== undefined && serial === known.body.serial) return { ok: true, news: false };
    if (known === undefined && this.#manifests.size >= MAX_MANIFESTS)
      return { ok: false, code: 'CONFLICT', message: `more than ${MAX_MANIFESTS} hotkeys have a manifest` };
    const signed = document.signed;
    this.#database
      .prepare('INSERT OR REPLACE INTO manifests (hotkey, serial, signed, seen_at_ms) VALUES (?, ?, ?, ?)')
      .run(hotkey, serial, JSON.stringify(signed), nowMs);
    this.#manifests.set(hotkey, signed);
    this.#waiting.add(hotkey);
    this.#machines = null;
    this.#checkSome();
    return { ok: true, news: true };
  }

  /** Checks the consents of new listings, a few in each turn of the event loop; until then they are not among the machines. */
  async admit(nextTurn: () => Promise<void>): Promise<void> {
    for (let checked = 0; checked < CONSENTS_PER_CALL && this.#checkSome(); checked += CONSENTS_PER_TURN)
      await nextTurn();
  }

  /** True when there may be more. */
  #checkSome(): boolean {
    let left = CONSENTS_PER_TURN;
    for (const hotkey of this.#waiting) {
      const before = this.#agreed.get(hotkey);
      const agreed = new Map<string, boolean>();
      let isWhole = true;
      for (const machine of this.#manifests.get(hotkey)?.body.machines ?? []) {
        if (machine.simulated === true || machine.consent === undefined) continue;
        const name = listingName(machine);
        const known = before?.get(name);
        if (known === undefined && left === 0) isWhole = false;
        else if (known === undefined) left -= 1;
        const says = known ?? (isWhole ? this.#checkConsent(hotkey, machine) : undefined);
        if (says !== undefined) agreed.set(name, says);
      }
      this.#agreed.set(hotkey, agreed);
      this.#machines = null;
      if (!isWhole) return true;
      this.#waiting.delete(hotkey);
    }
    return false;
  }

  /** Whether this is what is kept already, by its signature: nothing of it is used then, so a megabyte need not be checked again every minute. */
  #isKnown(received: unknown, expected: { netuid: number; hotkey?: string }): boolean {
    const { body, signature } = (received ?? {}) as {
      body?: { hotkey?: unknown; netuid?: unknown };
      signature?: unknown;
    };
    const hotkey = body?.hotkey;
    if (typeof hotkey !== 'string' || hotkey !== (expected.hotkey ?? hotkey)) return false;
    const known = this.#manifests.get(hotkey);
    return known !== undefined && known.signature === signature && known.body.netuid === expected.netuid;
  }

  /**
   * All machines of all manifests, in the order of hotkey and machine. A listing without the consent of its machine key is none, and of two
   * consents the later counts (`listingThatCounts`); a simulated machine is not listed. The same array until a manifest changes.
   */
  machines(): readonly KnownMachine[] {
    this.#machines ??= this.#list();
    return this.#machines;
  }

  /** Number of hotkeys with a manifest. */
  get size(): number {
    return this.#manifests.size;
  }

  #list(): KnownMachine[] {
    const byKey = new Map<string, Array<KnownMachine & { issuedAtMs: number }>>();
    for (const hotkey of [...this.#manifests.keys()].sort()) {
      const manifest = this.#manifests.get(hotkey);
      const agreed = this.#agreed.get(hotkey);
      for (const machine of manifest?.body.machines ?? []) {
        if (machine.simulated === true || machine.consent === undefined) continue;
        if (agreed?.get(listingName(machine)) !== true) continue;
        const { issuedAtMs } = machine.consent;
        const listed = { hotkey, hotkeyHex: manifest?.signer ?? '', machine, issuedAtMs };
        byKey.set(machine.machineKey, [...(byKey.get(machine.machineKey) ?? []), listed]);
      }
    }
    return [...byKey.values()].flatMap((listings) => {
      const counts = listingThatCounts(listings);
      return counts === null ? [] : [{ hotkey: counts.hotkey, hotkeyHex: counts.hotkeyHex, machine: counts.machine }];
    });
  }
}

/** What a consent is checked for once: the same listing in the next manifest needs no second check. */
function listingName({ machineId, machineKey, consent }: ManifestMachine): string {
  return `${machineKey} ${machineId} ${consent?.issuedAtMs} ${consent?.signature}`;
}
