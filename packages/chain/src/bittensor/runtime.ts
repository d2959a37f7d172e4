/** A runtime as its metadata describes it: codecs by name for the items that we use, and what it lacks of them. */
import { CeliumError } from '@celium/contract';
import { getDynamicBuilder, getLookupFn, type LookupEntry } from '@polkadot-api/metadata-builders';
import { decAnyMetadata, unifyMetadata } from '@polkadot-api/substrate-bindings';
import { toHex } from '../keys/bytes.ts';
import { NEEDED_APIS, NEEDED_CALLS, NEEDED_CONSTANTS, NEEDED_STORAGE } from './needed-items.ts';
import { misfits, type Shape } from './shapes.ts';

/** One transaction extension: what its bytes are in the extrinsic, and what is signed beside them. */
export interface ExtensionShape {
  readonly name: string;
  readonly value: LookupEntry;
  readonly implicit: LookupEntry;
}

/** A runtime. What it lacks is in `problems`: reads of such items throw, and nothing at all is written. */
export interface Runtime {
  readonly specVersion: number;
  readonly transactionVersion: number;
  readonly problems: readonly string[];
  readonly extensions: readonly ExtensionShape[];
  /** Storage key (hex with 0x) of an item. */
  storageKey(item: string, keys: readonly unknown[]): string;
  /** A stored value, or what the chain takes for an absent one: its default, or undefined. */
  readStorage(item: string, stored: string | null): unknown;
  apiArguments(method: string, args: readonly unknown[]): string;
  readApi(method: string, answer: string): unknown;
  readConstant(name: string): unknown;
  /** The bytes of a call. */
  encodeCall(name: string, args: Readonly<Record<string, unknown>>): Uint8Array;
  /** Index of the call `Timestamp.set`, which every block opens with. */
  readonly timestampSet: readonly [pallet: number, call: number];
}

type Builder = ReturnType<typeof getDynamicBuilder>;

/** Reads metadata (SCALE, version 14 to 16). Throws `CHAIN_WRONG` for bytes that are none. */
export function openRuntime(metadata: Uint8Array, specVersion: number, transactionVersion: number): Runtime {
  const unified = readMetadata(metadata);
  const lookup = getLookupFn(unified);
  const builder = getDynamicBuilder(lookup);
  const pallets = new Map(unified.pallets.map((pallet) => [pallet.name, pallet]));
  const entryOf = (reference: number | { readonly type: number } | undefined | null): LookupEntry | null => {
    const id = typeof reference === 'object' ? reference?.type : reference;
    return id === undefined || id === null ? null : lookup(id);
  };
  function storageProblems(item: string): string[] {
    const { keys, value } = NEEDED_STORAGE[item] ?? { keys: [], value: 'uint' };
    const [pallet, name] = split(item);
    const found = pallets.get(pallet)?.storage?.items.find((entry) => entry.name === name);
    if (found === undefined) return [`storage ${item} is gone`];
    if (found.type.tag === 'plain') {
      return keys.length === 0 ? misfits(value, lookup(found.type.value), item) : [`storage ${item} has no keys`];
    }
    const { key, value: valueId, hashers } = found.type.value;
    const keyShape: Shape | undefined = hashers.length === 1 ? keys[0] : { tuple: keys };
    if (hashers.length !== keys.length || keyShape === undefined) return [`storage ${item} has ${hashers.length} keys`];
    return [...misfits(keyShape, lookup(key), `${item} key`), ...misfits(value, lookup(valueId), item)];
  }

  function apiProblems(item: string): string[] {
    const needed = NEEDED_APIS[item] ?? { inputs: {}, output: 'uint' };
    const [api, name] = split(item);
    const method = unified.apis.find((one) => one.name === api)?.methods.find((one) => one.name === name);
    if (method === undefined) return [`runtime call ${item} is gone`];
    const wanted = Object.entries(needed.inputs);
    if (wanted.length !== method.inputs.length) return [`runtime call ${item} takes ${method.inputs.length} arguments`];
    const inputs = wanted.flatMap(([, shape], index) => {
      const input = method.inputs[index];
      return input === undefined ? [] : misfits(shape, lookup(input.type), `${item} argument ${index}`);
    });
    return [...inputs, ...misfits(needed.output, lookup(method.output), item)];
  }

  function callProblems(item: string): string[] {
    const [pallet, name] = split(item);
    const calls = entryOf(pallets.get(pallet)?.calls);
    const found = calls?.type === 'enum' ? calls.value[name] : undefined;
    if (found === undefined) return [`call ${item} is gone`];
    const entry = found.type === 'lookupEntry' ? found.value : ({ ...found, id: -1 } as LookupEntry);
    return misfits(NEEDED_CALLS[item] ?? 'uint', entry, item);
  }

  const extensions = Object.values(unified.extrinsic.signedExtensions[0] ?? {}).map(
    ({ identifier, type, additionalSigned }) => ({
      name: identifier,
      value: lookup(type),
      implicit: lookup(additionalSigned),
    }),
  );
  const problems = [
    ...Object.keys(NEEDED_STORAGE).flatMap(storageProblems),
    ...Object.keys(NEEDED_APIS).flatMap(apiProblems),
    ...Object.keys(NEEDED_CALLS).flatMap(callProblems),
    ...Object.entries(NEEDED_CONSTANTS).flatMap(([item, shape]) => {
      const [pallet, name] = split(item);
      const found = pallets.get(pallet)?.constants.find((constant) => constant.name === name);
      return found === undefined ? [`constant ${item} is gone`] : misfits(shape, lookup(found.type), item);
    }),
    ...(unified.extrinsic.version.includes(4) ? [] : ['extrinsics of version 4 are no longer taken']),
    ...extensions.filter((one) => !isKnownExtension(one)).map(({ name }) => `transaction extension ${name} is new`),
  ];

  /** Builders of missing items throw: that is a read which this runtime cannot answer. */
  function cached<Built>(build: (pallet: string, name: string) => Built): (item: string) => Built {
    const built = new Map<string, Built>();
    return (item) => {
      const known = built.get(item);
      if (known !== undefined) return known;
      try {
        const made = build(...split(item));
        built.set(item, made);
        return made;
      } catch (cause) {
        throw new CeliumError('CHAIN_CHANGED', `the runtime (spec ${specVersion}) has no ${item}`, { cause });
      }
    };
  }
  const storage = cached(builder.buildStorage);
  const api = cached(builder.buildRuntimeCall);
  const call = cached(builder.buildCall);

  return {
    specVersion,
    transactionVersion,
    problems,
    extensions,
    storageKey: (item, keys) => storage(item).keys.enc(...keys),
    readStorage: (item, stored) => {
      const { value, fallback } = storage(item);
      if (stored === null) return fallback as unknown;
      return decoding(item, () => value.dec(stored) as unknown);
    },
    apiArguments: (method, args) => `0x${toHex(api(method).args.enc([...args]))}`,
    readApi: (method, answer) => decoding(method, () => api(method).value.dec(answer) as unknown),
    readConstant: (item) => {
      const [pallet, name] = split(item);
      const found = pallets.get(pallet)?.constants.find((constant) => constant.name === name);
      if (found === undefined) throw new CeliumError('CHAIN_CHANGED', `the runtime has no constant ${item}`);
      return builder.buildConstant(pallet, name).dec(found.value) as unknown;
    },
    encodeCall: (name, args) => {
      const { codec, location } = call(name);
      return new Uint8Array([...location, ...codec.enc(args)]);
    },
    timestampSet: timestampSet(builder),
  };
}

/** The extensions that we know the bytes of; any other is fine as long as it has none. */
export const KNOWN_EXTENSIONS: readonly string[] = [
  'CheckSpecVersion',
  'CheckTxVersion',
  'CheckGenesis',
  'CheckMortality',
  'CheckNonce',
  'ChargeTransactionPayment',
  'CheckMetadataHash',
];

function isKnownExtension({ name, value, implicit }: ExtensionShape): boolean {
  return KNOWN_EXTENSIONS.includes(name) || (value.type === 'void' && implicit.type === 'void');
}

function readMetadata(bytes: Uint8Array): ReturnType<typeof unifyMetadata> {
  try {
    return unifyMetadata(decAnyMetadata(bytes));
  } catch (cause) {
    throw new CeliumError('CHAIN_WRONG', 'what the node gave as metadata cannot be read', { cause });
  }
}

function timestampSet(builder: Builder): readonly [number, number] {
  try {
    return builder.buildCall('Timestamp', 'set').location;
  } catch {
    return [-1, -1];
  }
}

function decoding(item: string, decode: () => unknown): unknown {
  try {
    return decode();
  } catch (cause) {
    throw new CeliumError('CHAIN_WRONG', `what the node answered is no ${item}`, { cause });
  }
}

function split(item: string): [string, string] {
  const [first = '', second = ''] = item.split('.');
  return [first, second];
}
