/** Enforces the import table over every source file and package.json; prints each violation and exits 1 when there is one. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { freeRooms, importTable, testPackages, type RoomRule } from './import-table.ts';

/** One broken rule, with the place as `path:line`. */
export type Violation = { place: string; specifier: string; reason: string };

type Manifest = {
  name?: string;
  exports?: string | Record<string, unknown>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
};

type Room = { path: string; rule: RoomRule; manifest: Manifest };

if (process.argv[1] === import.meta.filename) {
  const violations = findViolations(resolve(process.argv[2] ?? join(import.meta.dirname, '..')));
  for (const { place, specifier, reason } of violations) process.stdout.write(`${place}: '${specifier}': ${reason}\n`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}

/** All violations below `root`, which is a checkout or a fixture of the same shape. */
export function findViolations(root: string): Violation[] {
  const rooms = readRooms(root);
  const exported = new Map<string, Set<string>>();
  for (const room of rooms.values()) {
    if (room.manifest.name !== undefined) exported.set(room.manifest.name, exportedSpecifiers(room.manifest));
  }
  const violations: Violation[] = [];
  for (const kind of ['packages', 'apps']) {
    for (const name of listFolder(join(root, kind))) {
      const path = `${kind}/${name}`;
      const room = rooms.get(path);
      if (!room) {
        violations.push({
          place: path,
          specifier: name,
          reason: 'this room is not in tools/import-table.ts; a new one needs an ADR',
        });
        continue;
      }
      violations.push(...checkManifest(room));
      for (const file of listSources(join(root, path))) {
        violations.push(...checkFile(root, file, room, exported));
      }
    }
  }
  return violations;
}

function readRooms(root: string): Map<string, Room> {
  const rooms = new Map<string, Room>();
  for (const [path, rule] of Object.entries(importTable)) {
    try {
      rooms.set(path, {
        path,
        rule,
        manifest: JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')) as Manifest,
      });
    } catch {
      // A room of the table that is not built yet.
    }
  }
  return rooms;
}

/** The package.json must not promise more than the table allows. */
function checkManifest(room: Room): Violation[] {
  const place = `${room.path}/package.json`;
  const violations: Violation[] = [];
  const shipped = { ...room.manifest.dependencies, ...room.manifest.optionalDependencies };
  for (const name of [...Object.keys(shipped), ...Object.keys(room.manifest.devDependencies ?? {})]) {
    if (name.startsWith('@celium/') && !room.rule.rooms.includes(name)) {
      violations.push({ place, specifier: name, reason: `${room.path} may not depend on ${name}` });
    }
  }
  for (const name of Object.keys(shipped)) {
    if (!name.startsWith('@celium/') && room.rule.packages !== 'declared' && !room.rule.packages.includes(name)) {
      violations.push({ place, specifier: name, reason: `${room.path} may only depend on ${describe(room.rule)}` });
    }
  }
  return violations;
}

function checkFile(root: string, file: string, room: Room, exported: Map<string, Set<string>>): Violation[] {
  const path = relative(root, file);
  const isTest = file.endsWith('.test.ts') || path.startsWith(`${room.path}/tests/`);
  const isShipped = !isTest && path.startsWith(`${room.path}/src/`);
  const violations: Violation[] = [];
  for (const { specifier, line, literal } of readImports(readFileSync(file, 'utf8'))) {
    const reason = literal
      ? judge({ root, file, room, specifier, isTest, isShipped, exported })
      : 'an import of a computed name cannot be checked: name it, or spawn a program';
    if (reason !== undefined && (literal || isShipped))
      violations.push({ place: `${path}:${line}`, specifier, reason });
  }
  return violations;
}

type Question = {
  root: string;
  file: string;
  room: Room;
  specifier: string;
  isTest: boolean;
  isShipped: boolean;
  exported: Map<string, Set<string>>;
};

/** The reason why this import is refused, or undefined. */
function judge(question: Question): string | undefined {
  const { room, specifier } = question;
  if (specifier.startsWith('.') || specifier.startsWith('/')) return judgeRelative(question);
  if (specifier.startsWith('node:')) {
    return question.isShipped && !room.rule.node
      ? `${room.path} runs in a browser and may not use Node's modules`
      : undefined;
  }
  const name = packageName(specifier);
  if (name === room.manifest.name) return 'a room reaches its own files by relative paths';
  if (name.startsWith('@celium/')) {
    if (!room.rule.rooms.includes(name)) return `${room.path} may not import ${name}`;
    if (room.manifest.dependencies?.[name] === undefined)
      return `${name} is not among the dependencies of ${room.path}/package.json`;
    if (question.exported.get(name)?.has(specifier) !== true) return `${name} does not export '${specifier}'`;
    return undefined;
  }
  if (question.isTest && (testPackages as readonly string[]).includes(name)) return undefined;
  const declared = { ...room.manifest.dependencies, ...room.manifest.optionalDependencies };
  if (!question.isShipped) Object.assign(declared, room.manifest.devDependencies);
  if (question.isShipped && room.rule.packages !== 'declared' && !room.rule.packages.includes(name)) {
    return `${room.path} may only import ${describe(room.rule)}`;
  }
  // Build scripts beside src/ run in the checkout, where the root's tools are at hand.
  if (declared[name] === undefined && (question.isTest || question.isShipped)) {
    return `${name} is not declared in ${room.path}/package.json`;
  }
  return undefined;
}

function judgeRelative({ root, file, room, specifier }: Question): string | undefined {
  const target = relative(root, resolve(dirname(file), specifier));
  if (!target.startsWith(`${room.path}/`)) {
    const free = freeRooms.find((folder) => target.startsWith(`${folder}/`));
    return free === undefined ? 'a relative import may not leave its room' : `nothing may import ${free}/`;
  }
  // A feature's store is the only file with its SQL, so that its tables have one owner.
  if (
    room.path === 'apps/control-plane' &&
    target.endsWith('.store.ts') &&
    dirname(target) !== relative(root, dirname(file))
  ) {
    return "a feature may not import another feature's store: ask its flow";
  }
  return undefined;
}

/** Every import, export-from, dynamic import and require of a source text; `literal` is false for computed names. */
export function readImports(source: string): { specifier: string; line: number; literal: boolean }[] {
  const patterns: [RegExp, boolean][] = [
    [/^[ \t]*(?:import|export)\b[^'"`;=]*?\bfrom\s*['"]([^'"]+)['"]/gm, true],
    [/^[ \t]*import\s*['"]([^'"]+)['"]/gm, true],
    [/\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g, true],
    [/\b(?:import\.meta|require)\.resolve\(\s*['"]([^'"]+)['"]/g, true],
    [/(?<![.\w])import\s*\(\s*([^'"\s)][^)\n]*)/g, false],
  ];
  const found: { specifier: string; line: number; literal: boolean }[] = [];
  for (const [pattern, literal] of patterns) {
    for (const match of source.matchAll(pattern)) {
      const start = source.lastIndexOf('\n', match.index) + 1;
      // Comment lines may speak of imports.
      if (/^\s*(?:\/\/|\*|\/\*)/.test(source.slice(start))) continue;
      found.push({ specifier: match[1] ?? '', line: source.slice(0, match.index).split('\n').length, literal });
    }
  }
  return found;
}

function exportedSpecifiers(manifest: Manifest): Set<string> {
  const name = manifest.name ?? '';
  if (typeof manifest.exports !== 'object') return new Set([name]);
  return new Set(Object.keys(manifest.exports).map((key) => `${name}${key.slice(1)}`));
}

function packageName(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

function describe(rule: RoomRule): string {
  const names = [...rule.rooms, ...(rule.packages === 'declared' ? [] : rule.packages)];
  return names.length === 0 ? 'nothing' : names.join(', ');
}

function listSources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(?:ts|tsx|mts)$/.test(path) && !/(?:^|\/)(?:node_modules|dist|assembly)\//.test(path))
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).isFile());
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory());
  } catch {
    return [];
  }
}
