/** Everything other rooms may use of this package: keys, wallets, signed documents and requests, logs, the chain. */
export * from './keys/bytes.ts';
export * from './keys/derivation.ts';
export * from './keys/key-pair.ts';
export * from './keys/ss58.ts';
export * from './log/log-hash.ts';
export * from './log/sqlite-log.ts';
export * from './signing/documents.ts';
export * from './signing/requests.ts';
export * from './signing/sqlite-nonce-store.ts';
export * from './wallet/encryption.ts';
export * from './wallet/kdf.ts';
export * from './wallet/keyfile.ts';
export * from './wallet/wallet-files.ts';
