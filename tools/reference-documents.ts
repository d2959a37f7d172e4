/** Writes the documents that are tables of the contract: docs/errors.md and docs/crash-points.md. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CRASH_POINTS, ERROR_CODES, ERRORS } from '@celium/contract';
import { checkout, localBinary } from './run-step.ts';

/** Headings by the first exit status that they cover, highest first. */
const ERROR_GROUPS: ReadonlyArray<readonly [from: number, heading: string]> = [
  [70, 'Programs and the host'],
  [60, 'Verification'],
  [50, 'Leases at the agent'],
  [30, 'The market'],
  [20, 'Signed requests and documents'],
  [10, 'Requests and identity'],
  [0, 'The command line'],
];

/** Both documents by their path below the checkout, before the formatter has aligned their tables. */
export function referenceDocuments(): Record<string, string> {
  return { 'docs/errors.md': errorsDocument(), 'docs/crash-points.md': crashPointsDocument() };
}

function errorsDocument(): string {
  const codes = ERROR_CODES.toSorted((a, b) => ERRORS[a].exit - ERRORS[b].exit);
  const groups = Map.groupBy(codes, (code) => ERROR_GROUPS.find(([from]) => ERRORS[code].exit >= from)?.[1] ?? '');
  const sections = [...groups].map(([heading, members]) => {
    const rows = members.map((code) => {
      const { exit, status, meaning, remedy } = ERRORS[code];
      return `| \`${code}\` | ${exit} | ${status} | ${meaning} | ${remedy} |`;
    });
    return [
      `## ${heading}`,
      '',
      '| Code | Exit | HTTP | What it means | What to do |',
      '| --- | --: | --: | --- | --- |',
      ...rows,
      '',
    ].join('\n');
  });
  return [
    '# Errors',
    '',
    'Every error has a code. A program that fails prints the code, what happened and what to do, and the CLI ends with the exit status of',
    'the code; a market answers `{"error": {"code", "message", "remedy", "details"?}}` with its HTTP status. Codes and exit statuses are',
    'stable. Exit status 0 is success; 1 is a fault that has no code, which is a defect worth reporting.',
    '',
    'Written by `node tools/reference-documents.ts` from `packages/contract/src/errors.ts`; a test compares.',
    '',
    ...sections,
  ].join('\n');
}

function crashPointsDocument(): string {
  return [
    '# Crash points',
    '',
    'Named moments before and after durable steps. `CELIUM_CRASH_AT=name` in the environment of a program kills it (SIGKILL, to itself) at',
    'the first passing of that point, `name:3` at the third. After a restart everything must come right: nothing leased twice, nothing lost,',
    'no container left. `celium dev crash-points` lists them.',
    '',
    'Written by `node tools/reference-documents.ts` from `packages/contract/src/crash-points.ts`; a test compares.',
    '',
    '| Point | What is so at that moment |',
    '| --- | --- |',
    ...Object.entries(CRASH_POINTS).map(([name, words]) => `| \`${name}\` | ${words} |`),
    '',
  ].join('\n');
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, text] of Object.entries(referenceDocuments())) {
    const file = join(checkout, path);
    writeFileSync(file, text);
    execFileSync(localBinary('oxfmt'), [file], { timeout: 30_000 });
  }
}
