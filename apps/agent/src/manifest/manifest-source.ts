/** The manifest in the state folder: checked before it is believed, read again on SIGHUP and when the file changes. */
import { readFileSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import { hasConsent, verifyDocument } from '@celium/chain';
import { CeliumError, type ManifestMachine, type Signed } from '@celium/contract';
import { isPrivateHost } from '@celium/domain';
import { explain, type Log } from '../log.ts';

const SETTLE_MS = 100;

/** A manifest that is right, and the machine in it that is ours. */
export interface OwnManifest {
  signed: Signed<'manifest'>;
  machine: ManifestMachine;
  /** A newer manifest no longer names this machine: running leases go on, no new one is granted, no market is spoken to. */
  revoked: boolean;
}

/** What the agent expects of its manifest. Keys and hashes are lowercase hex. */
export interface ManifestExpectations {
  machineKey: string;
  tlsKeyHash: string;
  allowPrivate: boolean;
}

/**
 * Checks a manifest's text. Throws a `CeliumError`: `BAD_REQUEST`, `SIGNATURE_WRONG`, `DOCUMENT_UNKNOWN`, or
 * `KEY_NOT_DELEGATED` when it does not name this machine key, names another TLS key, or lacks this key's consent to the hotkey.
 */
export function readManifest(text: string, expected: ManifestExpectations): OwnManifest {
  const signed = readSigned(text);
  const machine = signed.body.machines.find((one) => one.machineKey === expected.machineKey);
  if (machine === undefined) {
    throw new CeliumError('KEY_NOT_DELEGATED', `the manifest does not name this machine’s key ${expected.machineKey}`);
  }
  if (!hasConsent(signed.body.hotkey, machine)) {
    throw new CeliumError(
      'KEY_NOT_DELEGATED',
      `the manifest lacks this machine’s consent to ${signed.body.hotkey}, so it counts nowhere: let \`celium provider join\` write it again`,
    );
  }
  if (machine.tlsKeyHash !== expected.tlsKeyHash) {
    throw new CeliumError('KEY_NOT_DELEGATED', 'the manifest names another TLS key than the one in the state folder');
  }
  const privateAddress = [machine.publicHost, new URL(machine.agentUrl).hostname].find(isPrivateHost);
  if (privateAddress !== undefined && !expected.allowPrivate) {
    throw new CeliumError(
      'BAD_REQUEST',
      `${privateAddress} cannot be reached from elsewhere: give a public address, or --allow-private on agent and market`,
    );
  }
  return { signed, machine, revoked: false };
}

/** A manifest whose form and signature are right, signed by the hotkey that it names. */
function readSigned(text: string): Signed<'manifest'> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new CeliumError('BAD_REQUEST', 'the manifest is not JSON: let `celium provider join` write it again', {
      cause,
    });
  }
  const checked = verifyDocument('manifest', content);
  if (!checked.ok) throw new CeliumError(checked.code, checked.message);
  if (checked.body.hotkey !== checked.ss58) {
    throw new CeliumError('KEY_NOT_DELEGATED', `the manifest of ${checked.body.hotkey} is signed by ${checked.ss58}`);
  }
  return checked.signed;
}

/** The manifest as it is now. `onChange` is called after a newer one was taken over. */
export class ManifestSource {
  readonly #path: string;
  readonly #expected: ManifestExpectations;
  readonly #log: Log;
  readonly #listeners: Array<(manifest: OwnManifest) => void> = [];
  #current: OwnManifest;
  #watcher: FSWatcher | null = null;
  #settle: NodeJS.Timeout | undefined;

  /** Reads the file. `lastSerial` is the newest serial ever taken over; throws as `readManifest` does, or `NOT_FOUND`. */
  constructor(path: string, expected: ManifestExpectations, lastSerial: number, log: Log) {
    this.#path = path;
    this.#expected = expected;
    this.#log = log;
    this.#current = readManifest(this.#text(), expected);
    if (this.#current.signed.body.serial < lastSerial) {
      throw new CeliumError(
        'CONFLICT',
        `manifest ${path} has serial ${this.#current.signed.body.serial}, but ${lastSerial} was in use: sign a newer one`,
      );
    }
  }

  get current(): OwnManifest {
    return this.#current;
  }

  onChange(listener: (manifest: OwnManifest) => void): void {
    this.#listeners.push(listener);
  }

  /** Watches the file's folder until `close`. */
  watch(): void {
    const name = basename(this.#path);
    this.#watcher = watch(dirname(this.#path), { persistent: false }, (_event, changed) => {
      if (changed !== name) return;
      clearTimeout(this.#settle);
      this.#settle = setTimeout(() => this.reload(), SETTLE_MS);
      this.#settle.unref();
    });
    this.#watcher.on('error', (fault) =>
      this.#log.warn({ fault: explain(fault) }, 'the manifest is no longer watched'),
    );
  }

  /** Reads the file again; a bad or older manifest is logged and the present one stays. */
  reload(): void {
    let read: OwnManifest;
    try {
      const text = this.#text();
      const signed = readSigned(text);
      const { signer, signature, body } = this.#current.signed;
      if (signed.signature === signature) return;
      if (signed.signer !== signer || signed.body.serial <= body.serial) {
        throw new CeliumError('CONFLICT', `serial ${signed.body.serial} is not newer than ${body.serial}, or foreign`);
      }
      const isNamed = signed.body.machines.some((one) => one.machineKey === this.#expected.machineKey);
      read = isNamed
        ? readManifest(text, this.#expected)
        : { signed, machine: { ...this.#current.machine, markets: [] }, revoked: true };
    } catch (fault) {
      this.#log.error({ fault: explain(fault) }, 'the new manifest is not taken over');
      return;
    }
    this.#current = read;
    this.#log.info({ serial: read.signed.body.serial, revoked: read.revoked }, 'manifest taken over');
    for (const listener of this.#listeners) listener(read);
  }

  close(): void {
    clearTimeout(this.#settle);
    this.#watcher?.close();
  }

  #text(): string {
    try {
      return readFileSync(this.#path, 'utf8');
    } catch (cause) {
      throw new CeliumError(
        'NOT_FOUND',
        `there is no manifest at ${this.#path}: run \`celium provider join\`, which signs one with the hotkey`,
        { cause },
      );
    }
  }
}
