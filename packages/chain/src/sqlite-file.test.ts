/** A full, locked, damaged or missing file each says what to do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { guardSqlite, openSqlite } from './sqlite-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-sqlite-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a file that cannot grow is a full disk, and what was there stays', () => {
  const file = join(folder, 'full.sqlite');
  const database = openSqlite(file, 'CREATE TABLE t (x TEXT); PRAGMA max_page_count = 8;');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  expect(() => {
    for (let row = 0; row < 100; row += 1) guardSqlite(file, () => insert.run('x'.repeat(2_000)));
  }).toThrow(expect.objectContaining({ code: 'DISK_FULL' }));
  const { count } = database.prepare('SELECT count(*) AS count FROM t').get() as { count: number };
  expect(count).toBeGreaterThan(0);
  database.close();
});

test('a file in use is locked', () => {
  const file = join(folder, 'used.sqlite');
  const first = openSqlite(file, 'PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE t (x TEXT);');
  expect(() => openSqlite(file, 'CREATE TABLE u (x TEXT);')).toThrow(expect.objectContaining({ code: 'STATE_LOCKED' }));
  first.close();
});

test('a damaged file and a missing folder say so', () => {
  const file = join(folder, 'damaged.sqlite');
  writeFileSync(file, 'no database '.repeat(1_000));
  expect(() => openSqlite(file, 'CREATE TABLE t (x TEXT);')).toThrow(/is damaged: restore/);
  expect(() => openSqlite(join(folder, 'absent', 'x.sqlite'), '')).toThrow(/folder exists/);
});

test('an error of our own passes through unchanged', () => {
  const own = new RangeError('ours');
  expect(() =>
    guardSqlite('x', () => {
      throw own;
    }),
  ).toThrow(own);
});
