/** The envelope of every signed document, and the table of the kinds there are. Unknown fields in a body are kept and passed on. */

import { z } from 'zod';
import { hex32, hex64 } from '../fields.ts';
import { barrierBody } from './barrier.ts';
import { grantBody } from './grant.ts';
import { incentivePolicyBody } from './incentive-policy.ts';
import { inventoryBody } from './inventory.ts';
import { leaseCommandBody } from './lease-command.ts';
import { leaseRefusalBody } from './lease-refusal.ts';
import { leaseRequestBody } from './lease-request.ts';
import { logHeadBody } from './log-head.ts';
import { machineConsentBody } from './machine-consent.ts';
import { machineReceiptBody } from './machine-receipt.ts';
import { manifestBody } from './manifest.ts';
import { receiptBody } from './receipt.ts';
import { vantageReportBody } from './vantage-report.ts';
import { verificationBody } from './verification.ts';

/** Every kind of document: its body's schema, its major version, and the most bytes that its canonical body may have. */
export const DOCUMENTS = {
  manifest: { version: 1, body: manifestBody, maxBytes: 1_048_576 },
  'machine-consent': { version: 1, body: machineConsentBody, maxBytes: 1_024 },
  'lease-request': { version: 1, body: leaseRequestBody, maxBytes: 1_048_576 },
  grant: { version: 1, body: grantBody, maxBytes: 65_536 },
  'lease-refusal': { version: 1, body: leaseRefusalBody, maxBytes: 65_536 },
  'lease-command': { version: 1, body: leaseCommandBody, maxBytes: 262_144 },
  receipt: { version: 1, body: receiptBody, maxBytes: 2_048 },
  'machine-receipt': { version: 1, body: machineReceiptBody, maxBytes: 2_048 },
  'vantage-report': { version: 1, body: vantageReportBody, maxBytes: 1_024 },
  barrier: { version: 1, body: barrierBody, maxBytes: 4_096 },
  verification: { version: 1, body: verificationBody, maxBytes: 2_048 },
  inventory: { version: 1, body: inventoryBody, maxBytes: 65_536 },
  'incentive-policy': { version: 1, body: incentivePolicyBody, maxBytes: 65_536 },
  'log-head': { version: 1, body: logHeadBody, maxBytes: 4_096 },
} as const;

export type DocumentName = keyof typeof DOCUMENTS;
export type DocumentBody<N extends DocumentName> = z.infer<(typeof DOCUMENTS)[N]['body']>;

/** A document of one kind as it travels. */
export type Signed<N extends DocumentName> = {
  document: N;
  version: number;
  body: DocumentBody<N>;
  signer: string;
  signature: string;
};

/** The envelope without its body's form: what is checked first. */
export const envelope = z.object({
  document: z.string().max(64),
  version: z.int().min(1),
  body: z.record(z.string(), z.unknown()),
  signer: hex32,
  signature: hex64,
});

/** The schema of a signed document of one kind, signature unchecked. */
export function signedSchema<N extends DocumentName>(name: N): z.ZodType<Signed<N>> {
  const schema = z.looseObject({
    document: z.literal(name),
    version: z.literal(DOCUMENTS[name].version),
    body: DOCUMENTS[name].body,
    signer: hex32,
    signature: hex64,
  });
  return schema as unknown as z.ZodType<Signed<N>>;
}
