/** Types as this adapter expects them, and whether a chain's metadata has them: so a runtime is known by what it has, not by its number. */
import type { LookupEntry } from '@polkadot-api/metadata-builders';

/**
 * A type as far as we care. `uint` and `int` are numbers of any width, compact or not; `bytes` are byte arrays and
 * vectors. `fields` of what we read may be among others; those of what we send (`exactly`) must be all there are.
 */
export type Shape =
  | 'uint'
  | 'int'
  | 'bool'
  | 'account'
  | 'bytes'
  | { readonly list: Shape }
  | { readonly option: Shape }
  | { readonly tuple: readonly Shape[] }
  | { readonly fields: Readonly<Record<string, Shape>> }
  | { readonly exactly: Readonly<Record<string, Shape>> }
  | { readonly variants: Readonly<Record<string, Shape | null>> };

/** What is wrong with `entry` as a `shape`, in words; empty when nothing is. */
export function misfits(shape: Shape, entry: LookupEntry, where: string): string[] {
  if (typeof shape === 'string') return isPlain(shape, entry) ? [] : [`${where} is no ${shape}`];
  if ('list' in shape) {
    return entry.type === 'sequence' ? misfits(shape.list, entry.value, `${where}[]`) : [`${where} is no list`];
  }
  if ('option' in shape) {
    return entry.type === 'option' ? misfits(shape.option, entry.value, where) : [`${where} is not optional`];
  }
  if ('tuple' in shape) return tupleMisfits(shape.tuple, entry, where);
  if ('variants' in shape) return variantMisfits(shape.variants, entry, where);
  const wanted = 'exactly' in shape ? shape.exactly : shape.fields;
  if (entry.type !== 'struct') {
    return Object.keys(wanted).length === 0 && entry.type === 'void' ? [] : [`${where} has no named fields`];
  }
  const extra = 'exactly' in shape ? Object.keys(entry.value).filter((name) => !Object.hasOwn(wanted, name)) : [];
  return [
    ...extra.map((name) => `${where} asks for ${name} too`),
    ...Object.entries(wanted).flatMap(([name, field]) => {
      const found = entry.value[name];
      return found === undefined ? [`${where} has no ${name}`] : misfits(field, found, `${where}.${name}`);
    }),
  ];
}

function isPlain(shape: Extract<Shape, string>, entry: LookupEntry): boolean {
  switch (shape) {
    case 'uint':
      return entry.type === 'compact' || (entry.type === 'primitive' && /^u\d/.test(entry.value));
    case 'int':
      return entry.type === 'primitive' && /^[ui]\d/.test(entry.value);
    case 'bool':
      return entry.type === 'primitive' && entry.value === 'bool';
    case 'account':
      return entry.type === 'AccountId32';
    case 'bytes':
      return (entry.type === 'array' || entry.type === 'sequence') && isPlain('uint', entry.value);
  }
}

/** Pairs of one type come as arrays of two. */
function tupleMisfits(wanted: readonly Shape[], entry: LookupEntry, where: string): string[] {
  const parts =
    entry.type === 'tuple'
      ? entry.value
      : entry.type === 'array'
        ? Array.from({ length: entry.len }, () => entry.value)
        : [entry];
  if (parts.length !== wanted.length) return [`${where} has ${parts.length} parts, not ${wanted.length}`];
  return wanted.flatMap((shape, index) => {
    const part = parts[index];
    return part === undefined ? [] : misfits(shape, part, `${where}.${index}`);
  });
}

function variantMisfits(wanted: Readonly<Record<string, Shape | null>>, entry: LookupEntry, where: string): string[] {
  if (entry.type !== 'enum') return [`${where} has no variants`];
  return Object.entries(wanted).flatMap(([name, shape]) => {
    const found = entry.value[name];
    if (found === undefined) return [`${where} has no ${name}`];
    if (shape === null) return [];
    const inner = found.type === 'lookupEntry' ? found.value : ({ ...found, id: -1 } as LookupEntry);
    return misfits(shape, inner, `${where}.${name}`);
  });
}
