/** Renters' accounts for decoys: made one at a time, used for one decoy, never again. Their secrets lie in files that only the validator reads. */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@celium/sdk';
import type { RandomBytes } from '../ports.ts';
import { makeClientKey } from '../shell/client-key.ts';
import { drawsOf } from './draws.ts';

/** One account at one market. */
export interface DecoyAccount {
  id: string;
  marketUrl: string;
  email: string;
  password: string;
  apiKey: string;
  /** File with the private key that its pods let in. */
  keyFile: string;
  /**
   * `new`: no more is known than that it was asked for. `spent`: its pod was logged in to, so that its SSH key and its pseudonym may be known to
   * every host.
   */
  state: 'new' | 'ready' | 'spent';
  madeAtMs: number;
}

/** A client of one market, as nobody or with an account's key. */
export type ConnectMarket = (marketUrl: string, apiKey?: string) => Client;

/** Names as people have them in addresses; only the market ever sees one. */
const NAMES = ['alex', 'chris', 'dana', 'eli', 'jo', 'kim', 'lee', 'max', 'noa', 'pat', 'robin', 'sam', 'toni', 'yuri'];
/** Spent accounts are kept this long, for whoever looks into what happened. */
const REMEMBER_MS = 60 * 24 * 3_600_000;

/** The accounts of this validator: `decoys/accounts.json` in its state, where the addresses that wait for credit can be read. */
export class DecoyAccounts {
  readonly #folder: string;
  readonly #randomBytes: RandomBytes;
  #accounts: DecoyAccount[];

  constructor(stateFolder: string, randomBytes: RandomBytes) {
    this.#folder = join(stateFolder, 'decoys');
    this.#randomBytes = randomBytes;
    mkdirSync(join(this.#folder, 'keys'), { recursive: true, mode: 0o700 });
    this.#accounts = existsSync(this.#file) ? (JSON.parse(readFileSync(this.#file, 'utf8')) as DecoyAccount[]) : [];
  }

  /** Accounts of a market that were never logged in under, oldest first. */
  usable(marketUrl: string): DecoyAccount[] {
    return this.#accounts.filter((account) => account.marketUrl === marketUrl && account.state === 'ready');
  }

  find(id: string): DecoyAccount | null {
    return this.#accounts.find((account) => account.id === id) ?? null;
  }

  /** Signs up like anyone: an address, a password, an SSH key of the usual kind. Throws what the market answers. */
  async make(connect: ConnectMarket, marketUrl: string, mailDomain: string, nowMs: number): Promise<DecoyAccount> {
    const draw = drawsOf(this.#randomBytes);
    const id = Buffer.from(this.#randomBytes(8)).toString('hex');
    const account: DecoyAccount = {
      id,
      marketUrl,
      email: `${NAMES[Math.floor(draw() * NAMES.length)]}${Math.floor(draw() * 900_000 + 100_000)}@${mailDomain}`,
      password: Buffer.from(this.#randomBytes(18)).toString('base64url'),
      apiKey: '',
      keyFile: join(this.#folder, 'keys', id),
      state: 'new',
      madeAtMs: nowMs,
    };
    const key = makeClientKey(this.#randomBytes);
    writeFileSync(account.keyFile, key.privateKey, { mode: 0o600 });
    // On disk before it exists: what a crash leaves behind is at worst an account that is never used.
    this.#put(account);
    const { email, password } = account;
    const { apiKey } = await connect(marketUrl).call('signUp', { body: { email, password } });
    await connect(marketUrl, apiKey).call('addSshKey', { body: { name: 'id_ed25519', publicKey: key.publicLine } });
    const ready = { ...account, apiKey, state: 'ready' as const };
    this.#put(ready);
    return ready;
  }

  /** Is never used again. Its API key stays, to stop what it rents and to read its bill. */
  spend(account: DecoyAccount): void {
    this.#put({ ...account, state: 'spent' });
  }

  #put(account: DecoyAccount): void {
    const others = this.#accounts.filter((one) => {
      const isOld = one.state !== 'ready' && account.madeAtMs - one.madeAtMs > REMEMBER_MS;
      if (isOld) rmSync(one.keyFile, { force: true });
      return one.id !== account.id && !isOld;
    });
    this.#accounts = [...others, account];
    const partial = `${this.#file}.partial`;
    writeFileSync(partial, JSON.stringify(this.#accounts, null, 1), { mode: 0o600 });
    renameSync(partial, this.#file);
  }

  get #file(): string {
    return join(this.#folder, 'accounts.json');
  }
}
