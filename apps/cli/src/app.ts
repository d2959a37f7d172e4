/** All commands in one map, and how command lines are read, answered and refused. */

import {
  buildApplication,
  buildCommand,
  buildRouteMap,
  proposeCompletions,
  text_en,
  type Application,
  type ApplicationText,
} from '@stricli/core';
import { CeliumError } from '@celium/contract';
import { lsCommand, offerCommand } from './commands/offers.ts';
import { loginCommand, signupCommand } from './commands/account.ts';
import { COMPLETE_ROUTE, completionRoutes } from './commands/completion.ts';
import { demoCommand } from './commands/demo.ts';
import { devRoutes } from './commands/dev.ts';
import { operatorRoutes } from './commands/operator.ts';
import { proofRoutes } from './commands/proof.ts';
import { providerRoutes } from './commands/provider.ts';
import { keysRoutes } from './commands/keys.ts';
import { execCommand, logsCommand, sshCommand } from './commands/login-to-pod.ts';
import { balanceCommand, billCommand } from './commands/money.ts';
import { psCommand, rmCommand } from './commands/pods.ts';
import { devchainCommand, serveCommand } from './commands/serve.ts';
import { upCommand } from './commands/up.ts';
import { validatorRoutes } from './commands/validator.ts';
import { verifyCommand } from './commands/verify.ts';
import { CLI_VERSION, versionCommand } from './commands/version.ts';
import { walletRoutes } from './commands/wallet.ts';
import type { CliContext } from './context.ts';
import { exitStatusOf, failureAsJson, formatFailure } from './output/failure.ts';

/** Environment variable that adds stack traces and internal facts to errors. */
export const TRACE_VARIABLE = 'CELIUM_TRACE';

const completeCommand = buildCommand<Record<never, never>, string[], CliContext>({
  async func(_, ...words) {
    // Shells give the line as one word or as several; a trailing space asks for the next word.
    const line = words.join(' ').replace(/^\S*celium\s+/, '');
    const proposals = await proposeCompletions(makeApplication(), line.split(/\s+/), this);
    this.process.stdout.write(proposals.map((proposal) => `${proposal.completion}\n`).join(''));
  },
  parameters: {
    positional: { kind: 'array', parameter: { parse: String, placeholder: 'word', brief: 'The command line so far' } },
  },
  docs: { brief: 'Propose completions (shells call this)' },
});

const INTRODUCTION = `Celium rents machines with verified GPUs by the second, and lets anyone offer theirs.

FIRST STEPS
  celium demo                  see all of it on this machine, nothing needed before
  celium signup                make an account at a market
  celium keys add              let your SSH key into your pods
  celium ls                    see what there is
  celium up                    rent the cheapest, then: celium ssh POD
  celium verify POD            prove that it is what you pay for
  celium rm POD                stop it, then: celium bill POD

  celium provider join         earn with this machine
  celium serve                 run a market of your own
  celium COMMAND --help        what a command does, with examples

On a terminal commands answer with words and tables, in a pipe (or with --json) with JSON.
Each error has a code, a remedy and an exit status of its own.`;

/** The application; made anew for each run because it is cheap and holds no state. */
export function makeApplication(options: { json?: boolean; trace?: boolean } = {}): Application<CliContext> {
  return buildApplication(
    buildRouteMap({
      routes: {
        demo: demoCommand,
        ls: lsCommand,
        offer: offerCommand,
        up: upCommand,
        ps: psCommand,
        ssh: sshCommand,
        exec: execCommand,
        logs: logsCommand,
        rm: rmCommand,
        verify: verifyCommand,
        bill: billCommand,
        balance: balanceCommand,
        keys: keysRoutes,
        signup: signupCommand,
        login: loginCommand,
        proof: proofRoutes,
        provider: providerRoutes,
        serve: serveCommand,
        operator: operatorRoutes,
        validator: validatorRoutes,
        devchain: devchainCommand,
        wallet: walletRoutes,
        completion: completionRoutes,
        dev: devRoutes,
        version: versionCommand,
        [COMPLETE_ROUTE]: completeCommand,
      },
      docs: {
        brief: 'Rent and offer verified GPUs',
        fullDescription: INTRODUCTION,
        hideRoute: { [COMPLETE_ROUTE]: true },
      },
    }),
    {
      name: 'celium',
      versionInfo: { currentVersion: CLI_VERSION },
      scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
      documentation: { onlyRequiredInUsageLine: true, disableAnsiColor: true },
      determineExitCode: exitStatusOf,
      localization: { text: textFor(options) },
    },
  );
}

function textFor(options: { json?: boolean; trace?: boolean }): ApplicationText {
  const tell = (fault: unknown): string =>
    options.json === true ? failureAsJson(fault) : formatFailure(fault, { trace: options.trace === true });
  return {
    ...text_en,
    noCommandRegisteredForInput({ input, corrections }) {
      const meant = corrections.length === 0 ? '' : ` Did you mean ${corrections.join(' or ')}?`;
      return tell(
        usageFault(`celium has no command ${JSON.stringify(input)}.${meant}`, '`celium --help` lists all commands.'),
      );
    },
    exceptionWhileParsingArguments(fault) {
      const words = text_en.exceptionWhileParsingArguments.call(this, fault, false);
      return tell(usageFault(firstLine(words), 'Add --help to the command: it shows flags and examples.'));
    },
    exceptionWhileRunningCommand: tell,
    commandErrorResult: tell,
  };
}

function usageFault(message: string, remedy: string): CeliumError {
  return new CeliumError('USAGE', message, { details: { remedy } });
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}
