/** `celium completion`: what to put into a shell so that Tab knows the commands; bash can be set up by us. */

import { buildInstallCommand, buildUninstallCommand } from '@stricli/auto-complete';
import { buildCommand, buildRouteMap, type Command } from '@stricli/core';
import type { CliContext } from '../context.ts';
import { describe } from './flags.ts';

/** The hidden command that shells ask: it prints one proposal a line. */
export const COMPLETE_ROUTE = 'complete-line';

const SCRIPTS = {
  bash: `_celium() {
  local IFS=$'\\n'
  COMPREPLY=($(celium ${COMPLETE_ROUTE} "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
}
complete -o default -F _celium celium
`,
  zsh: `#compdef celium
_celium() {
  local -a proposals
  proposals=("\${(@f)$(celium ${COMPLETE_ROUTE} "\${BUFFER[1,CURSOR]}" 2>/dev/null)}")
  compadd -a proposals
}
compdef _celium celium
`,
  fish: `complete -c celium -f -a '(celium ${COMPLETE_ROUTE} (commandline -cp) 2>/dev/null)'
`,
} as const;

const printers = Object.fromEntries(
  Object.entries(SCRIPTS).map(([shell, script]) => [
    shell,
    buildCommand<Record<never, never>, [], CliContext>({
      func() {
        this.process.stdout.write(script);
      },
      parameters: {},
      docs: {
        brief: `Print the ${shell} script`,
        fullDescription: describe(`Prints what ${shell} needs.`, [[exampleOf(shell), '']]),
      },
    }),
  ]),
) as Record<keyof typeof SCRIPTS, Command<CliContext>>;

function exampleOf(shell: string): string {
  if (shell === 'fish') return 'celium completion fish > ~/.config/fish/completions/celium.fish';
  return `eval "$(celium completion ${shell})"`;
}

export const completionRoutes = buildRouteMap({
  routes: {
    ...printers,
    install: buildInstallCommand('celium', { bash: `celium ${COMPLETE_ROUTE}` }) as unknown as Command<CliContext>,
    uninstall: buildUninstallCommand('celium', { bash: true }) as unknown as Command<CliContext>,
  },
  docs: { brief: 'Completion for your shell: bash, zsh, fish' },
});
