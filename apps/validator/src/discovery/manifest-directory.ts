/** The newest manifest of every hotkey, signature checked, kept across restarts: an older serial never replaces a newer one. */

import type { DatabaseSync } from 'node:sqlite';
import { verifyDocument } from '@celium/chain';
import type { ManifestMachine, Signed } from '@celium/contract';

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

/** Manifests by hotkey. */
export class ManifestDirectory {
  readonly #database: DatabaseSync;
  readonly #manifests = new Map<string, Signed<'manifest'>>();
  #machines: readonly KnownMachine[] | null = null;

  constructor(database: DatabaseSync) {
    this.#database = database;
    const rows = database.prepare('SELECT hotkey, signed FROM manifests').all() as unknown as Array<{
      hotkey: string;
      signed: string;
    }>;
    for (const row of rows) this.#manifests.set(row.hotkey, JSON.parse(row.signed) as Signed<'manifest'>);
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
    this.#machines = null;
    return { ok: true, news: true };
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
   * All machines of all manifests, in the order of hotkey and machine. A machine key that two hotkeys name belongs to neither;
   * a simulated machine is not listed. The same array until a manifest changes.
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
    const byKey = new Map<string, KnownMachine | null>();
    for (const hotkey of [...this.#manifests.keys()].sort()) {
      const manifest = this.#manifests.get(hotkey);
      for (const machine of manifest?.body.machines ?? []) {
        if (machine.simulated === true) continue;
        const known = { hotkey, hotkeyHex: manifest?.signer ?? '', machine };
        byKey.set(machine.machineKey, byKey.has(machine.machineKey) ? null : known);
      }
    }
    return [...byKey.values()].filter((known) => known !== null);
  }
}
