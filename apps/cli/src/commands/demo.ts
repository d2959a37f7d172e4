/** `celium demo`: the whole market on this machine, once or until Ctrl-C. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildCommand } from '@stricli/core';
import { CeliumError } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { failureAsJson } from '../output/failure.ts';
import { openProgressView, type ProgressView } from '../output/progress-view.ts';
import { answersInJson, toJson } from '../output/result.ts';
import { foldersOf } from '../settings/folders.ts';
import type { Demo, RunningDemo } from '../demo/demo.ts';
import { forgetState, LOGS_FOLDER } from '../demo/forget.ts';
import { brokenPromises, describeReport } from '../demo/report.ts';
import { describe, jsonFlag, type OutputFlags } from './flags.ts';

interface DemoFlags extends OutputFlags {
  once?: boolean | undefined;
  state?: string | undefined;
  keep?: boolean | undefined;
  docker?: string | undefined;
  tools?: string | undefined;
  link?: string | undefined;
}

export const demoCommand = buildCommand<DemoFlags, [], CliContext>({
  async func(flags) {
    const { Demo } = await import('../demo/demo.ts');
    const { clearLeftovers } = await import('../demo/leftovers.ts');
    const json = answersInJson(this, flags.json);
    const view = openProgressView(this, json ? 'json' : 'text');
    const demos = demosFolder(this);
    await clearLeftovers(demos);
    const state = flags.state === undefined ? join(demos, `${this.nowMs()}-${process.pid}`) : resolve(flags.state);
    const { docker, tools, link } = flags;
    const engineState = process.getuid?.() === 0 ? undefined : join(foldersOf(this.process.env).state, 'engine-state');
    const demo = new Demo({ state, docker, engineState, tools, link, nowMs: this.nowMs }, view);
    const plan = { json, state, once: flags.once === true, keep: flags.keep === true || flags.state !== undefined };
    await playDemo(this, demo, view, plan);
  },
  parameters: {
    flags: {
      json: {
        ...jsonFlag,
        brief: 'Print events as JSON lines, and the result as the last one; the default when piped',
      },
      once: { kind: 'boolean', brief: 'End by itself after the bill', optional: true, withNegated: false },
      state: {
        kind: 'parsed',
        parse: String,
        placeholder: 'dir',
        brief: 'Folder for everything; kept at the end',
        optional: true,
      },
      keep: { kind: 'boolean', brief: 'Keep the folder at the end', optional: true, withNegated: false },
      docker: { kind: 'parsed', parse: String, placeholder: 'socket', brief: 'Docker socket to use', optional: true },
      tools: { kind: 'parsed', parse: String, placeholder: 'dir', brief: 'Folder with another prover', optional: true },
      link: {
        kind: 'parsed',
        parse: String,
        placeholder: 'spec',
        brief: 'A worse path between validator and pods: delay=MS,loss=0..1,rate=BYTES_PER_SECOND',
        optional: true,
      },
    },
  },
  docs: {
    brief: 'See the whole market work on this machine',
    fullDescription: describe(
      'Sets up what is missing (container engine, base image), starts a chain, a market, a provider’s agent and a validator, waits until the machine is verified, and then rents it as a stranger would: sign up, key, rent, ssh, stop, bill. It uses free ports and a folder of its own, so it may run beside anything.',
      [
        ['celium demo', 'stays up and says what to type next; Ctrl-C ends it'],
        ['celium demo --once', 'ends by itself'],
        ['celium demo --once --json | tail -n 1', 'the measured result as one object'],
      ],
    ),
  },
});

/** What shells give for a program that SIGINT ended. */
const INTERRUPTED_EXIT = 130;

class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

interface DemoPlan {
  json: boolean;
  state: string;
  once: boolean;
  keep: boolean;
}

/** Runs a demo to its end, takes everything down whatever happened, and tells the result. */
async function playDemo(context: CliContext, demo: Demo, view: ProgressView, plan: DemoPlan): Promise<void> {
  const end = awaitEnd(demo);
  let running: RunningDemo | null;
  try {
    running = await Promise.race([demo.run(), end.asked]);
    if (running === null) throw new Interrupted('Interrupted before the demo was done.');
    if (!plan.once) {
      view.close();
      tellRunning(context, running, plan);
      await end.asked;
    }
  } catch (fault) {
    const { failedStep } = demo;
    await takeDown(demo, view).catch(() => 0);
    end.stopListening();
    view.close();
    if (!plan.keep) forgetState(plan.state, true);
    tellFailure(context, { failedStep, steps: demo.steps }, fault, plan);
    if (!(fault instanceof Interrupted)) throw fault;
    context.process.exitCode = INTERRUPTED_EXIT;
    return;
  }
  const left = await takeDown(demo, view);
  end.stopListening();
  view.close();
  if (!plan.keep) forgetState(plan.state);
  if (!plan.once) return;
  const report = { ...running.report, containersLeft: left };
  report.broken = brokenPromises(report);
  report.ok = report.broken.length === 0;
  const words = (): string => `\n${running.billText}\n${describeReport(report)}`;
  context.process.stdout.write(plan.json ? `${toJson(report)}\n` : words());
  if (report.ok) return;
  throw new CeliumError(
    'INTERNAL',
    `The demo ran, but the market did not keep its promises: ${report.broken.join('; ')}.`,
  );
}

async function takeDown(demo: Demo, view: ProgressView): Promise<number> {
  const detailOf = (left: number): string => (left === 0 ? 'nothing left' : `${left} containers removed`);
  return await view.step('stop everything', () => demo.close(), detailOf);
}

function tellRunning(context: CliContext, running: RunningDemo, plan: DemoPlan): void {
  const { marketUrl, validatorUrl, chainUrl } = running;
  const home = join(plan.state, 'renter');
  if (plan.json) {
    const ready = { event: 'ready', marketUrl, validatorUrl, chainUrl, home, report: running.report };
    context.process.stdout.write(`${toJson(ready)}\n`);
    return;
  }
  context.process.stderr.write(`\n${running.billText}\n${describeReport(running.report)}\n${whatNext(running, plan)}`);
}

function tellFailure(
  context: CliContext,
  demo: Pick<Demo, 'failedStep' | 'steps'>,
  fault: unknown,
  plan: DemoPlan,
): void {
  if (plan.json) {
    const told = fault instanceof Interrupted ? new CeliumError('USAGE', fault.message) : fault;
    const { error } = JSON.parse(failureAsJson(told)) as { error: unknown };
    const failure = { ok: false, failedStep: demo.failedStep, error, steps: demo.steps };
    context.process.stdout.write(`${toJson(failure)}\n`);
    return;
  }
  const where = demo.failedStep === null ? '' : `the demo stopped at: ${demo.failedStep}\n`;
  context.process.stderr.write(`${where}what the programs said: ${join(plan.state, LOGS_FOLDER)}\n`);
}

/** Where demos live: a place that the accounts of pods and of the database can enter. */
function demosFolder(context: CliContext): string {
  if (process.getuid?.() === 0 && context.process.env['CELIUM_HOME'] === undefined) return '/var/lib/celium/demos';
  return join(foldersOf(context.process.env).state, 'demos');
}

/** Resolves with null when a signal asks for the end; rejects when a program ends by itself. */
function awaitEnd(demo: { onDeath(tell: (fault: CeliumError) => void): void }): {
  asked: Promise<null>;
  stopListening: () => void;
} {
  let stopListening = (): void => {};
  const asked = new Promise<null>((resolveAsked, reject) => {
    let signals = 0;
    const end = (): void => {
      signals += 1;
      // Whoever asks a second time does not want to wait for a clean end.
      if (signals > 1) process.exit(INTERRUPTED_EXIT);
      resolveAsked(null);
    };
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, end);
    stopListening = () => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, end);
    };
    demo.onDeath(reject);
  });
  // It may be rejected while nobody waits for it: the run is rejected by the same cause.
  asked.catch(() => {});
  return { asked, stopListening };
}

function whatNext({ marketUrl, validatorUrl, chainUrl, machine }: RunningDemo, { state, keep }: DemoPlan): string {
  const celium = existsSync('celium') ? './celium' : 'celium';
  return `The market is up: ${marketUrl}. In another terminal:

  export CELIUM_HOME=${join(state, 'renter')} CELIUM_MARKET=${marketUrl} CELIUM_VALIDATOR=${validatorUrl} CELIUM_CHAIN_WS=${chainUrl}
  ${celium} ls                     what there is
  ${celium} up                     rent it
  ${celium} ps                     your pods; then ssh, exec, logs, bill, rm with the pod's first letters
  ${celium} verify POD             prove yourself that it is what you pay for
  ${celium} proof ls               the validator's receipts; then proof get and proof verify

  state and logs  ${state}
  machine         ${machine.facts.machineId}
  stop            Ctrl-C: pods and programs end${keep ? '; the folder stays' : ', the folder is removed'}
`;
}
