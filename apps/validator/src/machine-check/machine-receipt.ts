/** Composes the machine receipt: every part with its verdict, words made printable, at most 2,048 canonical bytes. */

import { documentHash } from '@celium/chain';
import { canonicalJson, DOCUMENTS, type MachineParts, type MachineReceipt, type Signed } from '@celium/contract';
import { MACHINE_PARTS, printableAscii } from '@celium/domain';

/** What the receipt says besides its parts. */
export interface MachineCheckFacts {
  receiptId: string;
  /** The validator's and the provider's hotkeys. */
  validator: string;
  hotkey: string;
  machineId: string;
  machineKey: string;
  grant: Signed<'grant'>;
  /** 64 zeros when none was seen. */
  hostKeyHash: string;
  blockNumber: number;
  /** Without 0x. */
  blockHash: string;
  startedAtMs: number;
  endedAtMs: number;
}

/** The receipt's body, or null when no part was tested: then nothing was learnt. */
export function composeMachineReceipt(facts: MachineCheckFacts, parts: MachineParts): MachineReceipt | null {
  const verdicts = MACHINE_PARTS.map((part) => parts[part].verdict);
  if (verdicts.every((verdict) => verdict === 'not-tested')) return null;
  const { grant, ...rest } = facts;
  const compose = (words: number): MachineReceipt => ({
    ...rest,
    grantHash: documentHash(grant),
    verdict: verdicts.includes('fail') ? 'fail' : 'pass',
    parts: withPrintableWords(parts, words),
  });
  // Figures and codes have a bounded size that fits; only words are cut.
  for (let words = 100; words > 0; words -= 20) {
    const body = compose(words);
    if (Buffer.byteLength(canonicalJson(body)) <= DOCUMENTS['machine-receipt'].maxBytes) return body;
  }
  return compose(0);
}

function withPrintableWords(parts: MachineParts, length: number): MachineParts {
  const cut = (text: string): string => printableAscii(text, length);
  return {
    storage: { ...parts.storage, message: cut(parts.storage.message) },
    image: { ...parts.image, message: cut(parts.image.message) },
    ports: { ...parts.ports, message: cut(parts.ports.message) },
    network: { ...parts.network, message: cut(parts.network.message) },
    location: { ...parts.location, message: cut(parts.location.message) },
  };
}
