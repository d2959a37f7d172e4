/** `celium verify POD`: the proof that validators ask for, asked by the renter, in the pod that they pay for. */

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildCommand } from '@stricli/core';
import { connectChain, decodeSs58, documentHash, toHex, verifyDocument } from '@celium/chain';
import {
  CeliumError,
  type ManifestMachine,
  type Offer,
  type Rental,
  type Signed,
  type VerificationFile,
} from '@celium/contract';
import { challengeSizeClass, claimedGpu, isCpuUnit, printable } from '@celium/domain';
import { paramsForClaim, type ProofParams } from '@celium/proof';
import type { Client } from '@celium/sdk';
import type { CliContext } from '../context.ts';
import { awaitRunning } from '../market/await-running.ts';
import { connectAsAccount } from '../market/connect.ts';
import { findRental } from '../market/match-id.ts';
import { formatDuration } from '../output/format.ts';
import { openProgressView } from '../output/progress-view.ts';
import { writeResult } from '../output/result.ts';
import { formatTable } from '../output/table.ts';
import { verifyProofFile } from '../proof/verify-file.ts';
import { foldersOf } from '../settings/folders.ts';
import { ownIdentities, sshArguments } from '../ssh/open-ssh.ts';
import { pinTarget, writeKnownHosts } from '../ssh/pinned-target.ts';
import { askValidator } from '../verify/ask-validator.ts';
import { composeVerification } from '../verify/compose.ts';
import { openKeyDoor } from '../verify/key-door.ts';
import { openPodShell } from '../verify/pod-shell.ts';
import { proveInPod, type UnitChallenge } from '../verify/prove-pod.ts';
import { ensureHotkey } from '../wallet/hotkey.ts';
import { clientFlags, describe, type ClientFlags } from './flags.ts';
import { chainFlag, chainUrlOf } from './serve.ts';
import { hotkeyFlags, type HotkeyFlags } from './wallet-flags.ts';

interface VerifyFlags extends ClientFlags, HotkeyFlags {
  validator?: string | undefined;
  identity?: string | undefined;
  chain?: string | undefined;
  out?: string | undefined;
}

/** A verification without a chain names this block: it says nothing about when it was made. */
const NO_BLOCK = { number: 0, hash: '0'.repeat(64) };
const CHAIN_TIMEOUT_MS = 10_000;

export const verifyCommand = buildCommand<VerifyFlags, [string], CliContext>({
  async func(flags, pod) {
    const client = connectAsAccount(this, flags.market);
    const rental = await awaitRunning(this, client, await findRental(client, pod));
    const offer = await client.call('getOffer', { params: { offerId: rental.offerId } });
    const { files, notes } = await verify(this, flags, client, rental, offer);
    for (const file of files) confirm(file, rental);
    if (flags.out !== undefined) writeFiles(flags.out, files);
    const results = files.map(({ verification: { body } }) => body);
    writeResult(this, flags.json, { ok: results.every(({ verdict }) => verdict === 'pass'), notes, files }, () =>
      describeResults(results, notes),
    );
    const failed = results.find(({ verdict }) => verdict === 'fail');
    if (failed === undefined) return;
    throw new CeliumError('PROOF_FAILED', `${failed.unit}: ${failed.reason.code}: ${failed.reason.message}`, {
      details: {
        remedy:
          'Stop whatever else runs in the pod and try once more; if it fails again, stop the rental (`celium rm`).',
      },
    });
  },
  parameters: {
    flags: {
      ...clientFlags,
      validator: {
        kind: 'parsed',
        parse: String,
        placeholder: 'url',
        brief: 'Let this validator do it, through a key that is in the pod only meanwhile',
        optional: true,
      },
      identity: {
        kind: 'parsed',
        parse: String,
        placeholder: 'file',
        brief: 'Private key to log in with, besides your own',
        optional: true,
      },
      chain: chainFlag,
      out: {
        kind: 'parsed',
        parse: String,
        placeholder: 'file',
        brief: 'Write the signed file there, for `celium proof verify`; further units get .2, .3, ...',
        optional: true,
      },
      ...hotkeyFlags,
    },
    aliases: { i: 'identity', o: 'out' },
    positional: {
      kind: 'tuple',
      parameters: [{ parse: String, placeholder: 'pod', brief: 'Pod, by id or its beginning' }],
    },
  },
  docs: {
    brief: 'Prove that a pod of yours is what you pay for',
    fullDescription: describe(
      'Runs the validators’ proof in the pod, on all of its units at once, and audits the answers: by this machine, or by a validator of your choice. The machine cannot tell it from any other program of yours. The result is signed, and `celium proof verify` repeats its audit anywhere. Nothing else should run in the pod meanwhile: it would make honest answers late.',
      [
        ['celium verify 3f2a', 'by this machine; signed with a key made for it'],
        ['celium verify 3f2a --wallet mine -o result.json', 'signed by your hotkey, kept in a file'],
        ['celium verify 3f2a --validator http://203.0.113.9:7760', 'by that validator, signed with its hotkey'],
      ],
    ),
  },
});

interface Outcome {
  files: VerificationFile[];
  /** What a reader should know of how it was made. */
  notes: string[];
}

async function verify(
  context: CliContext,
  flags: VerifyFlags,
  client: Client,
  rental: Rental,
  offer: Offer,
): Promise<Outcome> {
  const target = await pinTarget(client, rental);
  const grant = rental.grant as Signed<'grant'>;
  const { config } = foldersOf(context.process.env);
  const identityFiles = [...(flags.identity === undefined ? [] : [flags.identity]), ...ownIdentities(config)];
  const options = { knownHostsFile: writeKnownHosts(config, target), identityFiles, batch: true };
  const progress = openProgressView(context, 'text');
  try {
    if (flags.validator !== undefined) {
      const { validator } = flags;
      const door = openKeyDoor((command) => sshArguments(target, { ...options, terminal: 'none' }, [command]));
      const listed = { class: offer.class, verdict: offer.verdict };
      const files = await progress.step(`verification by ${validator}`, (say) =>
        askValidator(validator, grant, listed, door, say),
      );
      return { files, notes: [] };
    }
    const { block, notes } = await finalizedBlock(context, flags.chain);
    const machine = await signedMachine(client, offer);
    const challenges = challengesOf(grant, offer, machine, block);
    const claimedModels = new Map((machine?.gpus ?? []).map(({ unit, model }) => [unit, model]));
    const args = sshArguments(target, { ...options, terminal: 'force' });
    const startedAtMs = context.nowMs();
    const proofs = await progress.step('verification by this machine', (say) =>
      // With its input piped, OpenSSH makes a terminal only when asked twice.
      proveInPod(challenges, () => openPodShell(['-t', ...args]), say),
    );
    const endedAtMs = context.nowMs();
    const hostKeyHash = hashOfKeyLine(grant.body.hostKey);
    const signer = (await ensureHotkey({ ...flags, fallbackFolder: join(config, 'wallets') })).key;
    const facts = { offer, grant, hostKeyHash, claimedModels, block, startedAtMs, endedAtMs };
    return { files: await Promise.all(proofs.map((proof) => composeVerification(proof, facts, signer))), notes };
  } finally {
    progress.close();
  }
}

/** A recent block, so that nobody can say the answers were prepared; without a chain the result is the renter's own knowledge only. */
async function finalizedBlock(
  context: CliContext,
  flag: string | undefined,
): Promise<{ block: { number: number; hash: string }; notes: string[] }> {
  const url = chainUrlOf(context, flag);
  const chain = connectChain(url);
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), CHAIN_TIMEOUT_MS);
    });
    const { finalized } = await Promise.race([chain.heads(), late]);
    return { block: { number: finalized.number, hash: finalized.hash.replace(/^0x/, '').toLowerCase() }, notes: [] };
  } catch {
    const note = `No chain answers at ${printable(url)}: the result names no block, so it does not show others when it was made.`;
    return { block: NO_BLOCK, notes: [note] };
  } finally {
    clearTimeout(timer);
    await chain.close();
  }
}

/** The machine as its provider has signed it; undefined when the market leaves it out. */
async function signedMachine(client: Client, offer: Offer): Promise<ManifestMachine | undefined> {
  const { manifests } = await client.call('listMachines');
  return manifests
    .filter((manifest) => verifyDocument('manifest', manifest).ok && manifest.body.hotkey === offer.hotkey)
    .filter((manifest) => manifest.signer === toHex(decodeSs58(offer.hotkey)))
    .flatMap(({ body }) => body.machines)
    .find(({ machineKey }) => machineKey === offer.machineKey);
}

function challengesOf(
  grant: Signed<'grant'>,
  offer: Offer,
  machine: ManifestMachine | undefined,
  block: { hash: string },
): UnitChallenge[] {
  const paramsOf = (unit: string): ProofParams => {
    const { model, memoryBytes } = claimedGpu(machine?.gpus, unit);
    return paramsForClaim(isCpuUnit(unit) ? 'cpu-demo' : challengeSizeClass(model), 'onboarding', memoryBytes);
  };
  return grant.body.units.map((unit) => ({
    params: paramsOf(unit),
    declaredRateUnitsPerSecond: machine?.declaredWorkPerSecond ?? 0,
    binding: {
      blockHash: block.hash,
      hotkey: toHex(decodeSs58(offer.hotkey)),
      machineKey: offer.machineKey,
      grantHash: documentHash(grant),
      hostKeyHash: hashOfKeyLine(grant.body.hostKey),
      unit,
      barrierId: '',
    },
  }));
}

/** SHA-256 of the key blob in a public key line, as hex. */
function hashOfKeyLine(line: string): string {
  return createHash('sha256')
    .update(Buffer.from(line.split(' ')[1] ?? '', 'base64'))
    .digest('hex');
}

/** Whoever made it: the file must be about this pod and hold what it says, or it is shown to nobody. */
function confirm(file: VerificationFile, rental: Rental): void {
  const { body } = file.verification;
  if (rental.grant === null || body.grantHash !== documentHash(rental.grant) || !rental.units.includes(body.unit))
    throw new CeliumError('PROOF_FAILED', 'The result that came back is about another pod.');
  if (body.transcriptHash === '') return;
  const wrong = verifyProofFile(file).findings.filter(({ ok }) => !ok);
  if (wrong.length > 0)
    throw new CeliumError('PROOF_FAILED', `The result does not hold: ${wrong.map(({ detail }) => detail).join('; ')}.`);
}

function writeFiles(path: string, files: readonly VerificationFile[]): void {
  for (const [index, file] of files.entries())
    writeFileSync(index === 0 ? path : `${path}.${index + 1}`, `${JSON.stringify(file)}\n`);
}

type Result = VerificationFile['verification']['body'];

function describeResults(results: readonly Result[], notes: readonly string[]): string {
  const rows = results.map(({ unit, verdict, reason, measured, listed, verifier }) => [
    unit,
    verdict === 'pass' ? 'pass' : `fail: ${reason.code}`,
    measured.class,
    listed.class ?? '-',
    formatDuration(measured.proofMs),
    formatDuration(measured.deadlineMs),
    verifier,
  ]);
  const table = formatTable(
    [
      { title: 'UNIT' },
      { title: 'VERDICT' },
      { title: 'MEASURED' },
      { title: 'LISTED' },
      { title: 'TOOK', align: 'right' },
      { title: 'ALLOWED', align: 'right' },
      { title: 'SIGNED BY' },
    ],
    rows,
  );
  return [table, ...notes.map((note) => `${note}\n`)].join('');
}
