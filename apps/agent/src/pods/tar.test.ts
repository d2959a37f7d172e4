/** What is packed here, tar itself reads. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packTar } from './tar.ts';

test('files arrive with their content and mode, in folders that are made for them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'celium-tar-'));
  try {
    const long = 'x'.repeat(513);
    const archive = packTar([
      { path: 'run/celium/key', content: 'secret\n', mode: 0o600 },
      { path: 'run/celium/empty', content: '', mode: 0o644 },
      { path: 'run/long', content: long, mode: 0o644 },
    ]);
    execFileSync('tar', ['-x', '-C', folder], { input: archive });
    expect(readFileSync(join(folder, 'run/celium/key'), 'utf8')).toBe('secret\n');
    expect(statSync(join(folder, 'run/celium/key')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder, 'run/celium/empty'), 'utf8')).toBe('');
    expect(readFileSync(join(folder, 'run/long'), 'utf8')).toBe(long);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a path that a header cannot hold is refused', () => {
  expect(() => packTar([{ path: 'a'.repeat(101), content: '', mode: 0o600 }])).toThrow(RangeError);
});
