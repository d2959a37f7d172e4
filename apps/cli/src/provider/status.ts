/** How a machine does: by its own record, the engine, its markets and the chain. What does not answer is said to be unknown. */

import { connectChain } from '@celium/chain';
import type { Offer } from '@celium/contract';
import type { Client } from '@celium/sdk';
import { listContainers } from '../engine/containers.ts';
import { isCliProcess } from '../programs/alive.ts';
import { registrationOf } from './join.ts';
import type { MachineRecord } from './record.ts';

/** What one market says of the machine; `online` is null when it says nothing, with the reason in `detail`. */
export interface MarketView {
  market: string;
  online: boolean | null;
  detail: string;
  verdict: 'pass' | 'fail' | null;
  class: string | null;
  freeUnits: number;
  priceMicroUsdPerUnitHour: string | null;
  /** What validators found around the units, and what the host raises about itself; null when nothing is known. */
  machineCheck: Offer['machineCheck'];
  hostAlarms: Offer['hostAlarms'];
}

export interface MachineStatus {
  machineId: string | null;
  running: boolean;
  pid: number | null;
  pods: number | null;
  uid: number | null;
  netuid: number | null;
  offers: MarketView[];
}

const NOT_JOINED: MachineStatus = {
  machineId: null,
  running: false,
  pid: null,
  pods: null,
  uid: null,
  netuid: null,
  offers: [],
};

/** Asks everyone. Never throws for what does not answer. */
export async function readStatus(
  record: MachineRecord | null,
  clientOf: (marketUrl: string) => Client,
): Promise<MachineStatus> {
  if (record === null) return NOT_JOINED;
  const [pods, registration, offers] = await Promise.all([
    listContainers(record.socket, record.machineKey).then(
      (containers) => containers.length,
      () => null,
    ),
    readRegistration(record).catch(() => null),
    Promise.all(record.marketUrls.map((url) => viewOf(url, record.machineKey, clientOf(url)))),
  ]);
  return {
    machineId: record.machineId,
    running: isCliProcess(record.pid),
    pid: record.pid,
    pods,
    uid: registration?.uid ?? null,
    netuid: registration?.netuid ?? null,
    offers,
  };
}

async function readRegistration(record: MachineRecord): Promise<{ uid: number | null; netuid: number }> {
  const chain = connectChain(record.chainUrl);
  try {
    const { netuid } = await chain.info();
    const { uid } = await registrationOf(chain, record.hotkey);
    return { uid, netuid };
  } finally {
    await chain.close();
  }
}

async function viewOf(market: string, machineKey: string, client: Client): Promise<MarketView> {
  const unknown = {
    market,
    online: null,
    verdict: null,
    class: null,
    freeUnits: 0,
    priceMicroUsdPerUnitHour: null,
    machineCheck: null,
    hostAlarms: null,
  };
  try {
    const { offers } = await client.call('listOffers', { query: { rentable: 'false', limit: 1_000 } });
    const offer = offers.find((one) => one.machineKey === machineKey);
    if (offer === undefined) return { ...unknown, detail: 'does not list this machine' };
    const { online, verdict, freeUnits, priceMicroUsdPerUnitHour, machineCheck, hostAlarms } = offer;
    const shown = { verdict, class: offer.class, freeUnits, priceMicroUsdPerUnitHour, machineCheck, hostAlarms };
    return { market, online, detail: '', ...shown };
  } catch (fault) {
    return { ...unknown, detail: fault instanceof Error ? fault.message : String(fault) };
  }
}
