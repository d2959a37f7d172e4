/** The command line itself: help, suggestions, completions, versions. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateHelpTextForAllCommands } from '@stricli/core';
import { CRASH_POINTS } from '@celium/contract';
import { afterAll, expect, test } from 'vitest';
import { makeApplication } from './app.ts';
import { CLI_VERSION } from './commands/version.ts';
import { runCelium } from './testing/terminal.ts';

const home = mkdtempSync(join(tmpdir(), 'celium-app-'));
afterAll(() => rmSync(home, { recursive: true }));

/** Every command that the first issue of the CLI promised. */
const PROMISED = [
  'demo serve provider validator login keys ls up ps ssh exec logs rm balance bill proof devchain version signup wallet completion dev',
]
  .join(' ')
  .split(' ');

test('the help of every command is as people read it', async () => {
  const pages = generateHelpTextForAllCommands(makeApplication() as never);
  const text = pages.map(([route, page]) => `\n##### ${route}\n\n${page}`).join('\n');
  const root = await runCelium(['--help'], { home });
  await expect(`${root.stdout}\n${text}`).toMatchFileSnapshot('golden/help.txt');
});

test('every promised command is there, and every command shows an example', async () => {
  const pages = generateHelpTextForAllCommands(makeApplication() as never);
  const first = new Set(pages.map(([route]) => route.split(' ')[1]));
  expect(PROMISED.filter((name) => !first.has(name))).toEqual([]);
  const bare = pages.filter(
    ([route, page]) => !page.includes('EXAMPLES') && !/ (install|uninstall|complete-line)$/.test(route),
  );
  expect(bare.map(([route]) => route)).toEqual([]);
});

test('an unknown command, flag or value ends with 2 and says what was meant', async () => {
  const command = await runCelium(['balanec'], { home });
  expect(command.status).toBe(2);
  expect(command.stderr).toContain('celium has no command "balanec". Did you mean `balance`?');
  const flag = await runCelium(['ls', '--clas', 'x'], { home });
  expect(flag.status).toBe(2);
  expect(flag.stderr).toContain('--class');
  const value = await runCelium(['up', '--port', '99999'], { home });
  expect(value.status).toBe(2);
  expect(value.stderr).toContain('99999 is no port (1 to 65535)');
  expect(value.stderr).not.toContain('at ');
  const missing = await runCelium(['rm'], { home });
  expect(missing.status).toBe(2);
});

test('completions are proposed for commands and flags', async () => {
  const commands = await runCelium(['complete-line', 'celium p'], { home });
  expect(commands.stdout.trim().split('\n').sort()).toEqual(['proof', 'provider', 'ps']);
  const flags = await runCelium(['complete-line', 'celium ls --'], { home });
  expect(flags.stdout).toContain('--max-price');
});

test('completion scripts are printed for each shell', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const run = await runCelium(['completion', shell], { home });
    expect(run.status).toBe(0);
    expect(run.stdout).toContain('celium complete-line');
  }
});

test('dev crash-points lists all of them', async () => {
  const run = await runCelium(['dev', 'crash-points', '--json'], { home });
  expect((JSON.parse(run.stdout) as Array<{ name: string }>).map((point) => point.name)).toEqual(
    Object.keys(CRASH_POINTS),
  );
});

test('the version is that of the package, and comes without a market', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(CLI_VERSION).toBe(version);
  const run = await runCelium(['version', '--market', 'http://127.0.0.1:1'], { home });
  expect(JSON.parse(run.stdout)).toMatchObject({ celium: version, market: null });
});
