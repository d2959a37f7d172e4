/** Tables for a terminal: two spaces between columns, capital titles, numbers to the right. */

import { printable } from '@celium/domain';

export interface Column {
  title: string;
  align?: 'left' | 'right';
}

/** The table as lines; the last column is never padded, so lines have no trailing spaces. */
export function formatTable(columns: readonly Column[], rows: ReadonlyArray<readonly string[]>): string {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => row.map((cell) => printable(cell)))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => widthOf(row[index] ?? ''))));
  return cells
    .map((row) =>
      columns
        .map((column, index) => pad(row[index] ?? '', widths[index] as number, column.align ?? 'left'))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
    .concat('\n');
}

/** Names and values below each other: `name   value`. */
export function formatFields(fields: ReadonlyArray<readonly [name: string, value: string]>): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields
    .map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`.trimEnd())
    .join('\n')
    .concat('\n');
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? space + text : text + space;
}

function widthOf(text: string): number {
  return [...text].length;
}
