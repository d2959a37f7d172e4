/** Writes packages/contract/openapi.json from the route table: run it after a change of the contract, and commit the file. */
import { writeFileSync } from 'node:fs';
import { openApiDocument } from './openapi.ts';

/** Where the committed document lies. */
export const OPENAPI_FILE = new URL('../../../../packages/contract/openapi.json', import.meta.url);

/** The document as text, as it is committed. */
export function printOpenApi(): string {
  return `${JSON.stringify(openApiDocument(), null, 2)}\n`;
}

if (import.meta.main) writeFileSync(OPENAPI_FILE, printOpenApi());
