/** The import table holds: each kind of violation, seeded into a small copy of the tree, is caught and named. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findViolations, readImports } from './check-imports.ts';
import { importTable } from './import-table.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'celium-imports-'));
  for (const [path, rule] of Object.entries(importTable)) {
    const dependencies = Object.fromEntries(rule.rooms.map((name) => [name, '0.1.0']));
    write(
      `${path}/package.json`,
      JSON.stringify({
        name: nameOf(path),
        exports: { '.': './src/index.ts', './keys': './src/keys.ts' },
        dependencies,
      }),
    );
    write(`${path}/src/index.ts`, rule.rooms.map((name) => `import { x } from '${name}';\n`).join(''));
  }
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function nameOf(path: string): string {
  return `@celium/${path.split('/')[1]}`;
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

test('a tree that uses every allowed direction has no violation', () => {
  expect(findViolations(root)).toEqual([]);
});

describe('every direction that the table does not allow is caught', () => {
  const paths = Object.keys(importTable);
  const forbidden = paths.flatMap((from) =>
    paths
      .filter((to) => to !== from && !importTable[from]?.rooms.includes(nameOf(to)))
      .map((to) => [from, to] as const),
  );
  test.each(forbidden)('%s may not import %s', (from, to) => {
    write(`${from}/src/seeded.ts`, `import { x } from '${nameOf(to)}';\n`);
    expect(findViolations(root)).toEqual([
      { place: `${from}/src/seeded.ts:1`, specifier: nameOf(to), reason: `${from} may not import ${nameOf(to)}` },
    ]);
  });
});

describe('each other way around the table is caught', () => {
  const seeds: [string, string, string, RegExp][] = [
    [
      'domain using a Node module',
      'packages/domain/src/a.ts',
      `import { readFileSync } from 'node:fs';`,
      /runs in a browser/,
    ],
    ['domain using a package', 'packages/domain/src/a.ts', `import { z } from 'zod';`, /may only import nothing/],
    [
      'proof using an undeclared hash library',
      'packages/proof/src/a.ts',
      `import x from 'hash-wasm';`,
      /may only import @noble/,
    ],
    ['sdk using Node', 'packages/sdk/src/a.ts', `import http from 'node:http';`, /runs in a browser/],
    ['an undeclared package', 'apps/agent/src/a.ts', `import x from 'left-pad';`, /not declared in apps\/agent/],
    [
      'a relative path into another app',
      'apps/cli/src/a.ts',
      `import x from '../../agent/src/index.ts';`,
      /may not leave its room/,
    ],
    [
      'a relative path into tests',
      'apps/cli/src/a.ts',
      `import x from '../../../tests/process.ts';`,
      /nothing may import tests/,
    ],
    [
      'tools imported by a package',
      'packages/chain/src/a.ts',
      `import x from '../../../tools/x.ts';`,
      /nothing may import tools/,
    ],
    [
      "another feature's store",
      'apps/control-plane/src/rentals/rentals.flow.ts',
      `import { x } from '../billing/billing.store.ts';`,
      /another feature's store/,
    ],
    ['a re-export', 'packages/sdk/src/a.ts', `export * from '@celium/domain';`, /may not import @celium\/domain/],
    [
      'a type import',
      'packages/sdk/src/a.ts',
      `import type { X } from '@celium/domain';`,
      /may not import @celium\/domain/,
    ],
    [
      'a dynamic import',
      'apps/cli/src/a.ts',
      `const x = await import('@celium/agent');`,
      /may not import @celium\/agent/,
    ],
    ['a computed import', 'apps/cli/src/a.ts', 'const x = await import(name);', /computed name/],
    ['a require', 'apps/cli/src/a.ts', `const x = require('@celium/agent');`, /may not import @celium\/agent/],
    [
      'a name spread over lines',
      'apps/cli/src/a.ts',
      `import {\n  a,\n  b,\n} from '@celium/agent';`,
      /may not import @celium\/agent/,
    ],
    [
      'a file that a package does not export',
      'apps/cli/src/a.ts',
      `import x from '@celium/chain/src/store.ts';`,
      /does not export/,
    ],
    [
      'a test of an app that imports another app',
      'apps/cli/src/a.test.ts',
      `import x from '@celium/agent';`,
      /may not import @celium\/agent/,
    ],
    ['a room outside the table', 'apps/extra/src/a.ts', '', /not in tools\/import-table.ts/],
  ];
  test.each(seeds)('%s', (_name, path, text, reason) => {
    write(path, `${text}\n`);
    const violations = findViolations(root);
    expect(violations).toHaveLength(1);
    expect(violations[0]?.reason).toMatch(reason);
  });
});

test('a package.json that declares a forbidden dependency is caught even when nothing imports it', () => {
  write('packages/domain/package.json', JSON.stringify({ name: '@celium/domain', dependencies: { zod: '4.6.7' } }));
  write(
    'apps/agent/package.json',
    JSON.stringify({ name: '@celium/agent', dependencies: { '@celium/proof': '0.1.0' } }),
  );
  write('apps/agent/src/index.ts', '');
  expect(findViolations(root).map((each) => each.place)).toEqual([
    'packages/domain/package.json',
    'apps/agent/package.json',
  ]);
});

test('what is allowed stays allowed: own store, exported subpath, test packages, comments', () => {
  write('apps/control-plane/src/rentals/rentals.flow.ts', `import { x } from './rentals.store.ts';\n`);
  write('apps/cli/src/a.ts', `import x from '@celium/chain/keys';\n// import x from '@celium/agent';\n`);
  write('packages/domain/src/a.test.ts', `import { test } from 'vitest';\nimport { readFileSync } from 'node:fs';\n`);
  expect(findViolations(root)).toEqual([]);
});

test('imports are found with their lines', () => {
  expect(
    readImports(`/** x */\nimport a from 'a';\nexport { b } from "b";\nimport 'c';\n`).map((each) => [
      each.specifier,
      each.line,
    ]),
  ).toEqual([
    ['a', 2],
    ['b', 3],
    ['c', 4],
  ]);
});
