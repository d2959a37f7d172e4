/** The house rules catch what they name, and this checkout keeps them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findUntidy } from './tidy.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'celium-tidy-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const head = '/** What it is for. */\n';
const cases: [string, string, string, RegExp | undefined][] = [
  ['a tidy file', 'a/b.ts', head, undefined],
  ['a file without a head', 'a/b.ts', 'export const a = 1;\n', /open the file with one sentence/],
  ['a migration without a head', 'a/001-first.sql', 'create table a ();\n', /open the file/],
  ['a migration with a head', 'a/001-first.sql', '-- Accounts and their entries.\ncreate table a ();\n', undefined],
  ['a script with a shebang and a head', 'a.sh', '#!/bin/sh\n# Does it.\n', undefined],
  ['a name that says nothing', 'a/string-utils.ts', head, /"utils" says nothing/],
  ['a folder that says nothing', 'core/b.ts', head, /"core" says nothing/],
  [
    'a class that says nothing',
    'a/b.ts',
    `${head}export ${'class'} RentalManager {}\n`,
    /"RentalManager" says nothing/,
  ],
  ['501 lines', 'a/b.ts', head + 'x;\n'.repeat(500), /501 lines/],
  ['500 lines', 'a/b.ts', head + 'x;\n'.repeat(499), undefined],
  ['an open end', 'a/b.ts', `${head}// ${'TO'}${'DO'} later\n`, /open end/],
  ['a shell', 'a/b.ts', `${head}spawn(x, { ${'shell'}: true });\n`, /no shell strings/],
  [
    'a registry in the lockfile',
    'package-lock.json',
    '{\n"resolved": "https://registry.example/x.tgz"\n}',
    /registry host/,
  ],
  ['a lockfile with a funding page', 'package-lock.json', '{\n"url": "https://example.org/fund"\n}', undefined],
];

test.each(cases)('%s', (_name, path, text, reason) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  const findings = findUntidy(root, [path]);
  if (reason === undefined) expect(findings).toEqual([]);
  else expect(findings.map((finding) => finding.reason).join()).toMatch(reason);
});
