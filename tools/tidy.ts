/** House rules that no linter knows: file heads, names, lengths, leftovers, and a lockfile that names no registry. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** One broken rule, with the place as `path` or `path:line`. */
export type Finding = { place: string; reason: string };

const maxLines = 500;
const emptyNames = [
  'util',
  'utils',
  'helper',
  'helpers',
  'common',
  'core',
  'manager',
  'managers',
  'service',
  'services',
  'misc',
];
const emptyNameEnding =
  /\b(?:class|interface|type|function|const|let)\s+(\w*(?:Utils?|Helpers?|Manager|Service|Misc))\b/;
const generated = /(?:^|\/)(?:golden|assembly)\/|package-lock\.json$|openapi\.json$|\.wasm\.ts$/;

if (process.argv[1] === import.meta.filename) {
  const root = resolve(process.argv[2] ?? join(import.meta.dirname, '..'));
  const findings = findUntidy(root, listFiles(root));
  for (const { place, reason } of findings) process.stdout.write(`${place}: ${reason}\n`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}

/** Files that git tracks or would track. */
export function listFiles(root: string): string[] {
  const output = execFileSync('git', ['-C', root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  });
  return [...new Set(output.split('\0'))].filter((path) => path !== '' && existsSync(join(root, path))).toSorted();
}

/** All findings in these files, paths relative to `root`. */
export function findUntidy(root: string, paths: readonly string[]): Finding[] {
  return paths.flatMap((path) => {
    const findings = checkName(path);
    if (path === 'package-lock.json') return [...findings, ...checkLockfile(readFileSync(join(root, path), 'utf8'))];
    if (generated.test(path) || !isText(path)) return findings;
    const text = readFileSync(join(root, path), 'utf8');
    return [...findings, ...checkText(path, text)];
  });
}

function checkName(path: string): Finding[] {
  const words = path.split(/[/.\-_]/).map((word) => word.toLowerCase());
  const empty = words.find((word) => emptyNames.includes(word));
  if (empty === undefined) return [];
  return [{ place: path, reason: `the name "${empty}" says nothing: name the file after what it holds` }];
}

function checkText(path: string, text: string): Finding[] {
  const lines = text.split('\n');
  const findings: Finding[] = [];
  const lineCount = text.endsWith('\n') ? lines.length - 1 : lines.length;
  if (lineCount > maxLines)
    findings.push({ place: path, reason: `${lineCount} lines, and ${maxLines} are the most: split it` });
  if (!hasHead(path, lines))
    findings.push({ place: `${path}:1`, reason: 'open the file with one sentence on what it is for' });
  if (!isSource(path)) return findings;
  for (const [index, line] of lines.entries()) {
    const place = `${path}:${index + 1}`;
    // The pieces are joined here so that this file does not find itself.
    if (
      new RegExp(`\\b(?:${['TO', 'FIX'].map((word) => word + (word === 'TO' ? 'DO' : 'ME')).join('|')})\\b`).test(line)
    ) {
      findings.push({ place, reason: 'an open end: finish it or write an issue' });
    }
    if (/\bshell:\s*(?:true|['"`])/.test(line) && !line.includes('\\b')) {
      findings.push({ place, reason: 'no shell strings: pass an argument list' });
    }
    const name = emptyNameEnding.exec(line)?.[1];
    if (name !== undefined && !line.trimStart().startsWith('*')) {
      findings.push({ place, reason: `the name "${name}" says nothing: name it after what it does` });
    }
  }
  return findings;
}

/** A comment on the first line, or below a shebang; Markdown opens with its title. */
function hasHead(path: string, lines: string[]): boolean {
  const first = lines[0]?.startsWith('#!') === true ? (lines[1] ?? '') : (lines[0] ?? '');
  if (/\.(?:ts|tsx|mts|css)$/.test(path)) return /^(?:\/\*\*?\s*\S|\/\/ \S|\/\*\*$)/.test(first);
  if (path.endsWith('.sql')) return /^-- \S/.test(first);
  if (path.endsWith('.md')) return /^# \S/.test(first);
  if (path.endsWith('.json') || path.startsWith('.') || path === 'LICENSE') return true;
  return /^# \S/.test(first);
}

function checkLockfile(text: string): Finding[] {
  return text
    .split('\n')
    .map((line, index) => ({ line, place: `package-lock.json:${index + 1}` }))
    .filter(({ line }) => /"resolved":\s*"(?:https?|git)/.test(line))
    .map(({ place }) => ({
      place,
      reason: 'a registry host in the lockfile ties everyone to it: run npm with the .npmrc of this checkout',
    }));
}

function isSource(path: string): boolean {
  return /\.(?:ts|tsx|mts|sql|sh)$/.test(path) || path === 'celium';
}

function isText(path: string): boolean {
  return (
    isSource(path) ||
    /\.(?:md|css|txt)$|(?:^|\/)(?:Dockerfile|celium-init|sshd_config)$/.test(path) ||
    path === '.ci/run'
  );
}
