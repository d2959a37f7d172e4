/**
 * A prover for tests that answers every probe `pingMs` late, so that the network would seem to be slow, and gives its roots no sooner than `holdMs`
 * after the start (both in `cheat.json`).
 */
import { setTimeout as hold } from 'node:timers/promises';
import { lineReader, parseProverFrame } from '@celium/proof';
import type { ProverStream } from '../session.ts';
import { cheatSetting, runDishonest } from './dishonest.ts';

let startedMs = 0;

await runDishonest(import.meta.url, {
  stream: latePongs,
  digests: (honest) => ({
    ...honest,
    async digests(kind, q) {
      if (startedMs === 0) startedMs = performance.now();
      const digests = await honest.digests(kind, q);
      const leftMs = startedMs + cheatSetting(import.meta.url, 'holdMs') - performance.now();
      await hold(Math.max(0, leftMs));
      return digests;
    },
  }),
});

function latePongs(honest: ProverStream): ProverStream {
  const pingMs = cheatSetting(import.meta.url, 'pingMs');
  return {
    ...honest,
    write(text) {
      const [event] = lineReader('prover')(Buffer.from(text));
      const isPong = event?.kind === 'frame' && parseProverFrame(event.frame)?.type === 'pong';
      if (isPong) setTimeout(() => honest.write(text), pingMs);
      else honest.write(text);
    },
  };
}
