/** Gets a proof file: the receipt from a market, receipt with grant and transcript from the validator that made it. */

import { connectChain } from '@celium/chain';
import { CeliumError, type Receipt } from '@celium/contract';
import { readBoundedText, type Client } from '@celium/sdk';
import { matchId } from '../market/match-id.ts';
import { MAX_PROOF_FILE_CHARACTERS } from './verify-file.ts';

const TIMEOUT_MS = 30_000;
/** Receipts asked for from each machine. */
const RECEIPTS_PER_MACHINE = 100;
/** Machines that are searched for the beginning of an id. */
const MAX_MACHINES = 200;

/** Receipts that a market has of all machines or of one, newest first. */
export async function listReceipts(client: Client, machine: string | undefined): Promise<Receipt[]> {
  const { machines } = await client.call('listMachines');
  const wanted = machine === undefined ? machines : [matchMachine(machines, machine)];
  const receipts: Receipt[] = [];
  for (const { machineKey } of wanted.slice(0, MAX_MACHINES)) {
    const query = { limit: RECEIPTS_PER_MACHINE };
    const answer = await client.call('listReceipts', { params: { machineKey }, query });
    receipts.push(...answer.receipts.map((receipt) => receipt.body));
  }
  return receipts.sort((a, b) => b.endedAtMs - a.endedAtMs);
}

/** A receipt by its id or its beginning. Throws `NOT_FOUND`. */
export async function findReceipt(client: Client, typed: string): Promise<Receipt> {
  const receipts = await listReceipts(client, undefined);
  return matchId(receipts, typed, (receipt) => receipt.receiptId, {
    code: 'NOT_FOUND',
    what: 'receipt of this market',
  });
}

/** The proof file as text, from the validator's API. */
export async function fetchProofFile(validatorUrl: string, receiptId: string): Promise<string> {
  const url = `${validatorUrl.replace(/\/+$/, '')}/v1/proofs/${receiptId}`;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
  } catch (cause) {
    throw new CeliumError('NOT_FOUND', `The validator at ${validatorUrl} does not answer.`, {
      cause,
      details: { remedy: 'Give its address with --validator, or try again later.' },
    });
  }
  if (response.ok) return await readBoundedText(response, MAX_PROOF_FILE_CHARACTERS);
  await response.body?.cancel();
  throw new CeliumError('NOT_FOUND', `The validator has no proof of receipt ${receiptId} (HTTP ${response.status}).`);
}

/** Where a validator is reached: its axon on the chain. Throws `NOT_FOUND` when it serves none. */
export async function validatorUrlOf(chainUrl: string, hotkey: string): Promise<string> {
  const chain = connectChain(chainUrl);
  try {
    const axon = (await chain.neurons()).find((neuron) => neuron.hotkey === hotkey)?.axon;
    if (axon === undefined) {
      throw new CeliumError('NOT_FOUND', `Validator ${hotkey} serves no address on the chain.`, {
        details: { remedy: 'Give its address with --validator.' },
      });
    }
    return `http://${axon.ip.includes(':') ? `[${axon.ip}]` : axon.ip}:${axon.port}`;
  } finally {
    await chain.close();
  }
}

function matchMachine<M extends { machineId: string; machineKey: string }>(machines: readonly M[], typed: string): M {
  const named = machines.find((machine) => machine.machineId === typed);
  return named ?? matchId(machines, typed, (machine) => machine.machineKey, { code: 'NOT_FOUND', what: 'machine key' });
}
