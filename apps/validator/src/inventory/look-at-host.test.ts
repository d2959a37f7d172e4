/** Looking at a host: only its own signed word counts as its inventory, new alarms are said once, and nothing of it moves a verdict. */

import { RequestSigner, signDocument, type KeyPair } from '@celium/chain';
import type { Inventory } from '@celium/contract';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createInventoryReader } from '../network/inventory-client.ts';
import type { NetworkPort } from '../ports.ts';
import { Inventories } from '../state/inventories.ts';
import { openCheckBench, VALIDATOR } from '../testing/check-bench.ts';
import { lookAtHost } from './look-at-host.ts';

const golden = new URL('../../../../packages/contract/golden/documents/inventory.json', import.meta.url);
const EXAMPLE = (JSON.parse(readFileSync(golden, 'utf8')) as { body: Inventory }).body;
const closers: Array<() => unknown> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

/** A validator, a machine with the GPU of the example, and a network on which its agent answers what it is told to. */
function look() {
  const bench = openCheckBench({ units: EXAMPLE.driverUnits });
  closers.push(() => bench.close());
  const lines: Array<Record<string, unknown>> = [];
  const asked: string[] = [];
  let answer: { status: number; json: unknown } | Error = new Error('nobody is there');
  const network: NetworkPort = {
    request: async ({ url }) => {
      asked.push(url);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const inventories = new Inventories(bench.database);
  const signer = new RequestSigner(VALIDATOR, { now: Date.now, randomBytes });
  const ports = {
    clock: { ...bench.ports.clock, unixMs: () => EXAMPLE.takenAtMs + 100 },
    readInventory: createInventoryReader(network, signer),
    inventories,
    receipts: bench.ports.receipts,
    report: (line: Record<string, unknown>) => void lines.push(line),
  };
  const { machine } = bench.known;
  machine.host = { cpuCores: 1, memoryBytes: 1, diskBytes: 1 };
  const turn = async (given: Partial<Inventory> | Error, key: KeyPair = bench.agent.key): Promise<unknown[]> => {
    const before = lines.length;
    if (given instanceof Error) answer = given;
    else {
      const inventory = await signDocument('inventory', { ...EXAMPLE, machineId: machine.machineId, ...given }, key);
      answer = { status: 200, json: { inventory } };
    }
    await lookAtHost(ports, bench.known);
    return lines.slice(before).map((line) => line['code'] ?? line['detail']);
  };
  return { turn, asked, inventories, machine, lines, provider: bench.agent.provider };
}

test('an inventory is kept with its alarms, and each alarm is said when it is new', async () => {
  const { turn, asked, inventories, machine, lines } = look();
  expect(await turn({})).toEqual(['GPU_USED_WITHOUT_LEASE', 'PCIE_NARROW', 'XID_EVENTS']);
  expect(lines[0]).toMatchObject({ event: 'alarm', machineKey: machine.machineKey, unit: EXAMPLE.driverUnits[0] });
  expect(await turn({ takenAtMs: EXAMPLE.takenAtMs + 1 })).toEqual([]);
  expect(await turn({ driverUnits: [] })).toEqual(['DRIVER_DISAGREES']);
  expect(asked[0]).toBe(`${machine.agentUrl}/v1/inventory`);
  expect(inventories.find(machine.machineKey)).toMatchObject({ signed: { body: { driverUnits: [] } } });
  expect(inventories.alarming(10)).toMatchObject([{ machineKey: machine.machineKey }]);
});

test('what another key signed, what is of another machine, and what does not come is no inventory', async () => {
  const { turn, inventories, machine, provider } = look();
  expect(await turn({}, provider)).toEqual([expect.stringContaining('KEY_NOT_DELEGATED')]);
  expect(await turn({ machineId: 'other' })).toEqual([expect.stringContaining('another machine')]);
  expect(await turn(new Error('\u001b[2Jowned'))).toEqual(['box: ?[2Jowned']);
  expect(inventories.find(machine.machineKey)).toBeNull();
});
