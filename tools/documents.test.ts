/** The documents tell the truth: their commands exist, their links lead somewhere, their tables are the code's. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CRASH_POINTS, DOCUMENTS, ERROR_CODES, ERRORS, ROUTES } from '@celium/contract';
import { describe, expect, test } from 'vitest';
import { printOpenApi } from '../apps/control-plane/src/http/print-openapi.ts';
import { codeOf, faultOfCommand, leadsSomewhere, linksOf, pathsOf } from './document-claims.ts';
import { freeRooms, importTable } from './import-table.ts';
import { referenceDocuments } from './reference-documents.ts';
import { checkout } from './run-step.ts';
import { listFiles } from './tidy.ts';

const documents = listFiles(checkout).filter((path) => path.endsWith('.md') && !path.includes('/golden/'));
const read = (path: string): string => readFileSync(join(checkout, path), 'utf8');
/** The rows of a document's tables, cells trimmed, without heads. */
const rowsOf = (path: string): string[][] =>
  read(path)
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|\s*:?-/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
/** A text without the blanks and dashes that the formatter puts into tables. */
const unaligned = (text: string): string =>
  text
    .replaceAll(/ +/g, ' ')
    .replaceAll(/-{3,}/g, '---')
    .replaceAll(/\| -+: /g, '| --: ');

test('there are all the documents that people expect', () => {
  const expected = [
    'README',
    'ARCHITECTURE',
    'GLOSSARY',
    'CONTRIBUTING',
    'CHANGELOG',
    'docs/protocol',
    'docs/verification',
  ];
  expect(documents).toEqual(expect.arrayContaining(expected.map((name) => `${name}.md`)));
});

describe('every document', () => {
  test.each(documents)('%s: its links lead somewhere', (path) => {
    expect(linksOf(path).filter(({ text }) => !leadsSomewhere(path, text))).toEqual([]);
  });

  test.each(documents)('%s: its commands exist, with their flags', (path) => {
    const faults = codeOf(path).flatMap(({ place, text }) => {
      const fault = faultOfCommand(text);
      return fault === null ? [] : [`${place}: ${text}: ${fault}`];
    });
    expect(faults).toEqual([]);
  });

  test.each(documents)('%s: the files that it names exist', (path) => {
    expect(pathsOf(path).filter(({ text }) => !existsSync(join(checkout, text)))).toEqual([]);
  });

  test.each(documents)('%s: stands alone', (path) => {
    // Written in pieces, so that this file does not speak of it either.
    expect(read(path)).not.toMatch(new RegExp(['/work', 'shared/(design|reference)', 'design/\\w+\\.md'].join('|')));
  });
});

test('the checks of commands find what is wrong', () => {
  expect(faultOfCommand('./celium demo --once --json')).toBeNull();
  expect(faultOfCommand('celium dev crash-points')).toBeNull();
  expect(faultOfCommand('celium keys add')).toBeNull();
  expect(faultOfCommand('CELIUM_CRASH_AT=x celium serve')).toBeNull();
  expect(faultOfCommand('celium nonsense')).toMatch(/no command "nonsense"/);
  expect(faultOfCommand('celium keys nonsense')).toMatch(/no command "nonsense"/);
  expect(faultOfCommand('celium ls --nonsense')).toMatch(/no flag --nonsense/);
  expect(faultOfCommand('./celium test nonsense')).toMatch(/no stage/);
  expect(faultOfCommand('npm run nonsense')).toMatch(/no script/);
  expect(faultOfCommand('npm run bench -- nonsense --json')).toMatch(/no benchmark/);
  expect(faultOfCommand('node tools/nonsense.ts')).toMatch(/does not exist/);
});

describe('errors', () => {
  test.each(ERROR_CODES)('%s has its line in the documents', (code) => {
    const row = rowsOf('docs/errors.md').find(([name]) => name === `\`${code}\``);
    expect(row).toEqual([
      `\`${code}\``,
      String(ERRORS[code].exit),
      String(ERRORS[code].status),
      ERRORS[code].meaning,
      ERRORS[code].remedy,
    ]);
  });

  test.each(ERROR_CODES)('%s: the commands in its remedy exist', (code) => {
    const commands = [...ERRORS[code].remedy.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
    expect(commands.flatMap((line) => faultOfCommand(line.replaceAll(/<\w+>/g, 'X')) ?? [])).toEqual([]);
  });
});

test.each(Object.entries(referenceDocuments()))(
  '%s is what the code says (else: node tools/reference-documents.ts)',
  (path, text) => {
    expect(unaligned(read(path))).toBe(unaligned(text));
  },
);

describe('nothing is promised that no program does', () => {
  const sources = listFiles(checkout)
    .filter((path) => /^(?:packages|apps)\/[^/]+\/src\/.*\.ts$/.test(path) && !path.endsWith('.test.ts'))
    .filter((path) => !path.startsWith('packages/contract/'))
    .map(read)
    .join('\n');

  test.each(ERROR_CODES)('%s is an error that a program raises', (code) => {
    expect(new RegExp(`['"\`]${code}['"\`]`).test(sources)).toBe(true);
  });

  test.each(Object.keys(CRASH_POINTS))('%s is a point that a program passes', (point) => {
    expect(sources.includes(`'${point}'`)).toBe(true);
  });
});

test('openapi.json is what the route table says (else: node apps/control-plane/src/http/print-openapi.ts)', () => {
  const { paths } = JSON.parse(read('packages/contract/openapi.json')) as { paths: Record<string, object> };
  expect(read('packages/contract/openapi.json')).toBe(printOpenApi());
  const operations = Object.values(paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId as string),
  );
  expect(operations.toSorted()).toEqual(Object.keys(ROUTES).toSorted());
});

describe('README and ARCHITECTURE', () => {
  const folders = (parent: string): string[] =>
    readdirSync(join(checkout, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && existsSync(join(checkout, parent, entry.name, 'package.json')))
      .map((entry) => `${parent}/${entry.name}`);

  test('the room map is the folders that there are', () => {
    const named = rowsOf('README.md').map(([room = '']) => room.replaceAll('`', ''));
    const top = ['images', 'tests', 'bench', 'tools', 'docs'];
    expect(named.filter((room) => room !== 'Folder').toSorted()).toEqual(
      [...folders('packages'), ...folders('apps'), ...top].toSorted(),
    );
  });

  test('the table of imports is the one that is enforced', () => {
    const rows = new Map(rowsOf('ARCHITECTURE.md').map(([room = '', may = '']) => [room, may]));
    for (const [path, rule] of Object.entries(importTable)) {
      if (!existsSync(join(checkout, path, 'package.json'))) continue;
      const may = rows.get(path.split('/')[1] ?? '') ?? '';
      const allowed = rule.rooms.map((room) => room.replace('@celium/', ''));
      const said = ['domain', 'contract', 'proof', 'chain', 'sdk'].filter((room) =>
        new RegExp(`\\b${room}\\b`).test(may.replaceAll(/chain libraries/g, '')),
      );
      expect({ path, may: said.toSorted() }).toEqual({ path, may: allowed.toSorted() });
    }
    expect(rows.has(freeRooms.join(', '))).toBe(true);
  });

  test.each([...folders('packages'), ...folders('apps')].filter((room) => room !== 'packages/proof'))(
    '%s says it in a few lines',
    (room) => {
      // The proof's document is also the specification of its wire.
      expect(read(`${room}/README.md`).split('\n').length).toBeLessThanOrEqual(45);
    },
  );

  test.each(['README.md', 'ARCHITECTURE.md'])('%s fits on two screens', (path) => {
    expect(read(path).split('\n').length).toBeLessThanOrEqual(100);
  });

  test('the quick start has the two commands', () => {
    const commands = codeOf('README.md').map(({ text }) => text);
    expect(commands.slice(0, 2)).toEqual(['./celium demo', './celium test']);
  });

  test.each([...folders('packages'), ...folders('apps')])('%s says in its own document what it is', (room) => {
    expect(read(`${room}/README.md`)).toMatch(new RegExp(`^# (?:@celium/)?${room.split('/')[1]}\\n`));
  });
});

describe('the glossary', () => {
  const words = rowsOf('GLOSSARY.md').flatMap(([word = '']) => word.split(', '));

  test('has each word once, with a meaning', () => {
    expect(new Set(words).size).toBe(words.length);
    for (const [word, meaning = ''] of rowsOf('GLOSSARY.md').slice(1))
      expect([word, meaning.length > 8]).toEqual([word, true]);
  });

  test('has the nouns of domain and the kinds of documents', () => {
    const nouns = readdirSync(join(checkout, 'packages/domain/src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    const renamed: Record<string, string> = {
      pricing: 'bill',
      scoring: 'score',
      verification: 'check',
      'log-head': 'log',
      'lease-command': 'lease',
      'lease-refusal': 'refusal',
    };
    const needed = [...nouns, ...Object.keys(DOCUMENTS)].map((noun) => renamed[noun] ?? noun.replaceAll('-', ' '));
    expect(needed.filter((noun) => !words.includes(noun))).toEqual([]);
  });

  test('is kept in the code: nothing is called by a word that it gives up', () => {
    const sources = listFiles(checkout).filter(
      (path) => /^(?:packages|apps)\/.*\.ts$/.test(path) && !path.endsWith('.test.ts'),
    );
    const given = /\b(?:executor\w*|leaseEpoch|fenceEpoch|minerKey|hostMachine)\b/i;
    expect(sources.filter((path) => given.test(read(path)))).toEqual([]);
  });
});
