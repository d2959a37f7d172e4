/** `npm run conformance -- [--json]`: what a `SubnetChain` must do, on the devchain in both forms, the live adapter over a node of our own, and a live node where `CELIUM_CHAIN_WS` names one. */
import { parseArgs } from 'node:util';
import { connectChain, keyFromUri, type SubnetChain } from '@celium/chain';
import {
  CONFORMANCE_CASES,
  CONFORMANCE_FUNDS,
  type ConformanceCase,
  type ConformanceWorld,
} from '../../packages/chain/tests/conformance-cases.ts';
import {
  devchainInProcess,
  devchainProgram,
  liveAdapterOverOwnNode,
  waitForBlocks,
} from '../../packages/chain/tests/conformance-worlds.ts';
import { measureGoldenNumbers } from '../../packages/chain/tests/golden-numbers.ts';
import { printFigures, reportFigures, type Figure, type NotRun } from '../../tools/figures.ts';

const KEY_VARIABLE = 'CELIUM_CONFORMANCE_KEY';
/** No epoch is waited for on a chain whose next one is further away than this. */
const MOST_BLOCKS_TO_EPOCH = 60;

interface Result {
  readonly figures: Record<string, Figure>;
  readonly notRun: NotRun[];
}

/** Runs the cases that `allowed` lets through; one that is left out has its reason. */
async function runCases(
  name: string,
  world: ConformanceWorld,
  whyNot: (one: ConformanceCase) => string | null,
  log: (line: string) => void,
): Promise<Result> {
  const keys = { coldkey: world.newKey('coldkey'), hotkey: world.newKey('hotkey') };
  const { specVersion } = await world.chain.info();
  const chosen = CONFORMANCE_CASES.filter((one) => whyNot(one) === null);
  if (chosen.some(({ takes }) => takes !== 'reads')) await world.fund(keys.coldkey.ss58, CONFORMANCE_FUNDS);
  let passed = 0;
  for (const { claim, run } of chosen) {
    try {
      await run(world, keys);
      passed += 1;
      log(`ok    ${name}: ${claim}`);
    } catch (error) {
      log(`FAIL  ${name}: ${claim}: ${String((error as Error).message).split('\n')[0]}`);
    }
  }
  const left = CONFORMANCE_CASES.filter((one) => !chosen.includes(one));
  const reasons = [...new Set(left.map((one) => whyNot(one) ?? ''))];
  return {
    figures: {
      [`${name}: cases passed`]: { value: passed, unit: `of ${chosen.length}`, target: { equals: chosen.length } },
      [`${name}: spec version`]: { value: specVersion, unit: 'spec', target: null },
    },
    notRun: reasons.map((why) => {
      const count = left.filter((one) => whyNot(one) === why).length;
      return { what: `${name}: ${count} of ${CONFORMANCE_CASES.length} cases`, why };
    }),
  };
}

/** The live node, with a funded key of the environment for what costs something. */
async function liveWorld(address: string, secretUri: string | undefined): Promise<ConformanceWorld> {
  const [chain, other] = [connectChain(address), connectChain(address)];
  const payer = secretUri === undefined ? null : keyFromUri(secretUri);
  const run = `conformance-${Date.now()}`;
  return {
    chain,
    other,
    newKey: (name) => (payer ?? keyFromUri('//Conformance')).deriveHard(run).deriveHard(name),
    fund: async (ss58, amount) => {
      const outcome = payer === null ? null : await chain.transfer(payer, ss58, amount);
      if (outcome?.ok !== true) throw new Error(`${KEY_VARIABLE} cannot give ${amount} rao: ${outcome?.error}`);
    },
    advance: (blocks) => waitForBlocks(chain, blocks),
    close: async () => {
      await Promise.all([chain.close(), other.close()]);
    },
  };
}

async function runLive(address: string, log: (line: string) => void): Promise<Result> {
  const secretUri = process.env[KEY_VARIABLE] || undefined;
  const world = await liveWorld(address, secretUri);
  try {
    const far = await blocksToEpoch(world.chain);
    const whyNot = ({ takes }: ConformanceCase): string | null => {
      if (takes === 'reads') return null;
      if (secretUri === undefined) return `${KEY_VARIABLE} (secret URI of a funded test key) is not set`;
      return takes === 'epochs' && far > MOST_BLOCKS_TO_EPOCH ? `the next epoch is ${far} blocks away` : null;
    };
    return await runCases('live', world, whyNot, log);
  } finally {
    await world.close();
  }
}

async function blocksToEpoch(chain: SubnetChain): Promise<number> {
  const [{ nextEpochBlock }, { best }] = await Promise.all([chain.schedule(), chain.heads()]);
  return nextEpochBlock - best.number;
}

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
const log = (line: string): void => void process.stderr.write(`${line}\n`);
const worlds = [
  ['devchain in process', () => devchainInProcess()],
  ['devchain in process, commit-reveal', () => devchainInProcess({ commitReveal: true })],
  ['devchain program over HTTP', () => devchainProgram()],
  ['live adapter over our own node', () => liveAdapterOverOwnNode()],
  ['live adapter over our own node, commit-reveal', () => liveAdapterOverOwnNode({ commitReveal: true, tempo: 60 })],
] as const;
const results: Result[] = [];
for (const [name, open] of worlds) {
  const world = await open();
  try {
    results.push(await runCases(name, world, () => null, log));
  } finally {
    await world.close();
  }
}
for (const { what, unit, golden, here } of await measureGoldenNumbers()) {
  results.push({ figures: { [`golden: ${what}`]: { value: here, unit, target: { equals: golden } } }, notRun: [] });
}
const address = process.env['CELIUM_CHAIN_WS'];
results.push(
  address === undefined || !/^wss?:/.test(address)
    ? { figures: {}, notRun: [{ what: 'live node', why: 'CELIUM_CHAIN_WS names none (ws://... or wss://...)' }] }
    : await runLive(address, log),
);
const figures: Record<string, Figure> = Object.assign({}, ...results.map((one) => one.figures));
const report = reportFigures(
  figures,
  results.flatMap((one) => one.notRun),
);
process.exitCode = printFigures(report, values.json, (text) => void process.stdout.write(text));
