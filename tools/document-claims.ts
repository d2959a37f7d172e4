/** Reads what documents claim that can be checked: links, commands, paths. And says what is wrong with a command. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeApplication } from '../apps/cli/src/app.ts';
import { checkout } from './run-step.ts';

/** A place in a document that claims something. */
export interface Claim {
  /** `path:line`. */
  place: string;
  text: string;
}

const document = (path: string): string[] => readFileSync(join(checkout, path), 'utf8').split('\n');

/** Every link of a document to a file of the checkout, without its anchor. */
export function linksOf(path: string): Claim[] {
  return document(path).flatMap((line, index) =>
    [...line.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] ?? '')
      .filter((target) => !/^(?:https?|mailto):/.test(target))
      .map((text) => ({ place: `${path}:${index + 1}`, text })),
  );
}

/** Whether a link, as written in `path`, leads somewhere. */
export function leadsSomewhere(path: string, target: string): boolean {
  return existsSync(join(checkout, dirname(path), target));
}

/** Inline code and lines of shell blocks. */
export function codeOf(path: string): Claim[] {
  let fence: string | null = null;
  return document(path).flatMap((line, index) => {
    const place = `${path}:${index + 1}`;
    const mark = /^\s*```(\w*)/.exec(line);
    if (mark !== null) {
      fence = fence === null ? (mark[1] ?? '') : null;
      return [];
    }
    if (fence !== null) return fence === 'sh' ? [{ place, text: line.replace(/\s+#.*$/, '').trim() }] : [];
    return [...line.matchAll(/`([^`]+)`/g)].map((match) => ({ place, text: match[1] ?? '' }));
  });
}

/** Inline code that names a file or folder of the checkout. */
export function pathsOf(path: string): Claim[] {
  return codeOf(path).filter(({ text }) =>
    /^(?:apps|bench|docs|images|packages|tests|tools)(?:\/[\w.@-]+)*\/?$/.test(text),
  );
}

/** What is wrong with a command line, or null. Words in capitals stand for something; what is no command of ours is let pass. */
export function faultOfCommand(line: string): string | null {
  const words = line.replace(/^(?:[A-Z_]+=\S+\s+)+/, '').split(/\s+/);
  const [program = '', first = '', second = ''] = words;
  if (program === 'npm') {
    if (['ci', 'install'].includes(first)) return null;
    const script = first === 'run' ? second : first;
    const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { scripts: object };
    if (!(script in scripts)) return `package.json has no script ${JSON.stringify(script)}`;
    const benchmark = script === 'bench' ? words[words.indexOf('--') + 1] : undefined;
    if (benchmark === undefined || existsSync(join(checkout, `bench/${benchmark}.ts`))) return null;
    return `there is no benchmark ${JSON.stringify(benchmark)}`;
  }
  if (program === 'node' && first.endsWith('.ts'))
    return existsSync(join(checkout, first)) ? null : `${first} does not exist`;
  if (program !== 'celium' && program !== './celium') return null;
  return words.length === 1 ? null : faultOfCelium(words.slice(1));
}

const TEST_STAGES = ['setup', 'check', 'unit', 'e2e', 'attacks', 'economy'];

function faultOfCelium(words: string[]): string | null {
  // The entry itself runs the tests; everything else is a command of the CLI.
  if (words[0] === 'test') {
    const wrong = words.slice(1).find((word) => !TEST_STAGES.includes(word));
    return wrong === undefined ? null : `./celium test has no stage ${JSON.stringify(wrong)}`;
  }
  let target: ReturnType<typeof makeApplication>['root'] | undefined = makeApplication().root;
  for (const word of words) {
    if (/^[A-Z]+$/.test(word) || word === '--help' || word === '--version') return null;
    if ('usesFlag' in target) {
      const flag = /^--([a-z-]+)/.exec(word)?.[1];
      if (
        flag !== undefined &&
        !(target.usesFlag(flag, 'allow-kebab-for-camel') || target.usesFlag(camelCase(flag), 'original'))
      )
        return `there is no flag --${flag}`;
      continue;
    }
    if (word.startsWith('-')) continue;
    target = target.getRoutingTargetForInput(word) ?? target.getRoutingTargetForInput(camelCase(word));
    if (target === undefined) return `celium has no command ${JSON.stringify(word)}`;
  }
  return null;
}

function camelCase(word: string): string {
  return word.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
