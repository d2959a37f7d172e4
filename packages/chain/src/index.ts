/** Everything other rooms may use of this package. */
export * from './errors.ts';
export * from './keys/bytes.ts';
export * from './keys/derivation.ts';
export * from './keys/key-pair.ts';
export * from './keys/ss58.ts';
