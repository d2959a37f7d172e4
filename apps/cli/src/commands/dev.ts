/** `celium dev ...`: for those who test Celium itself. */

import { buildCommand, buildRouteMap } from '@stricli/core';
import { CRASH_POINTS } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { writeResult } from '../output/result.ts';
import { formatTable } from '../output/table.ts';
import { describe, jsonFlag, type OutputFlags } from './flags.ts';

const crashPointsCommand = buildCommand<OutputFlags, [], CliContext>({
  func(flags) {
    const points = Object.entries(CRASH_POINTS).map(([name, meaning]) => ({ name, meaning }));
    writeResult(this, flags.json, points, () =>
      formatTable(
        [{ title: 'POINT' }, { title: 'WHEN' }],
        points.map(({ name, meaning }) => [name, meaning]),
      ),
    );
  },
  parameters: { flags: { json: jsonFlag } },
  docs: {
    brief: 'List the moments at which a test may kill a program',
    fullDescription: describe(
      'A program that is started with CELIUM_CRASH_AT=name (or name:n for the n-th time) is killed there by SIGKILL.',
      [
        ['celium dev crash-points', ''],
        ['CELIUM_CRASH_AT=market.rent.committed celium serve', 'die after a rent is committed'],
      ],
    ),
  },
});

export const devRoutes = buildRouteMap({
  routes: { crashPoints: crashPointsCommand },
  docs: { brief: 'For testing Celium itself' },
});
