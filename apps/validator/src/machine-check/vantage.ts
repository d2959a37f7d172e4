/** Other points on the net: asking them to look at a pod's port, and answering when they ask us. */

import {
  clockOfErrorBody,
  decodeSs58,
  signDocument,
  toHex,
  verifyDocument,
  type KeySigner,
  type RequestSigner,
} from '@celium/chain';
import { VALIDATOR_API, type Signed, type VantageAsk } from '@celium/contract';
import type { Coordinates } from '@celium/domain';
import { fromHex } from '@celium/proof';
import type { EpochView } from '../epoch/epoch-watch.ts';
import type { NetworkPort, RandomBytes } from '../ports.ts';
import { probePort, type ProbePorts, type PublishedPort } from './port-probe.ts';

/** A vantage point that is asked: where its API is, and the public key (hex) that it signs with. */
export interface VantagePoint {
  url: string;
  key: string;
}

/** Vantage points asked in one check at most. */
const MAX_VANTAGES = 3;
const CALL_MS = 60_000;
const MAX_ANSWER_BYTES = 8_192;

/** Asks one vantage point. Null when there is no signed answer to this very question within the time. */
export async function askVantage(
  ports: { network: NetworkPort; signer: RequestSigner; randomBytes: RandomBytes },
  point: VantagePoint,
  target: PublishedPort,
  payloadBytes: number,
): Promise<Signed<'vantage-report'>['body'] | null> {
  const nonce = toHex(ports.randomBytes(32));
  const { host, port, podPort } = target;
  const ask: VantageAsk = { nonce, host, port, podPort, secret: toHex(target.secret), payloadBytes };
  const url = `${point.url}${VALIDATOR_API.vantage}`;
  const body = JSON.stringify(ask);
  try {
    const answer = await ports.signer.call(
      { method: 'POST', path: VALIDATOR_API.vantage, body, audience: point.key },
      (headers) =>
        ports.network.request({ method: 'POST', url, headers, body, timeoutMs: CALL_MS, maxBytes: MAX_ANSWER_BYTES }),
      (refused) => clockOfErrorBody(refused.json),
    );
    const shown = (answer.json as { report?: unknown } | null)?.report;
    const verified = verifyDocument('vantage-report', shown, { signer: point.key });
    if (!verified.ok || verified.body.nonce !== nonce || verified.body.port !== port) return null;
    return verified.body;
  } catch {
    return null;
  }
}

/** Other validators with a permit and an axon, drawn afresh for every check so that nobody foresees which. */
export function vantagesOf(
  view: Pick<EpochView, 'permits' | 'axons'> | null,
  self: string,
  randomBytes: RandomBytes,
): VantagePoint[] {
  const points = (view?.permits ?? []).flatMap((hotkey) => {
    const axon = view?.axons.get(hotkey);
    if (axon === undefined || hotkey === self) return [];
    const host = axon.ip.includes(':') ? `[${axon.ip}]` : axon.ip;
    return [{ url: `http://${host}:${axon.port}`, key: toHex(decodeSs58(hotkey)) }];
  });
  const drawn: VantagePoint[] = [];
  while (drawn.length < MAX_VANTAGES && points.length > 0) {
    const index = Buffer.from(randomBytes(4)).readUInt32BE() % points.length;
    drawn.push(...points.splice(index, 1));
  }
  return drawn;
}

/** What answering takes from outside. */
export interface VantageDeskPorts extends ProbePorts {
  hotkey: KeySigner;
  coordinates: Coordinates | null;
}

/** Questions answered at the same time at most: a payload takes our own line too. */
const MAX_AT_ONCE = 2;

/** Answers questions of other validators; who may ask is the caller's business. */
export class VantageDesk {
  readonly #ports: VantageDeskPorts;
  #busy = 0;

  constructor(ports: VantageDeskPorts) {
    this.#ports = ports;
  }

  /** A signed report, or null when too many questions are being answered. */
  async answer(ask: VantageAsk): Promise<Signed<'vantage-report'> | null> {
    if (this.#busy >= MAX_AT_ONCE) return null;
    this.#busy += 1;
    try {
      const secret = fromHex(ask.secret) ?? new Uint8Array(32);
      const { host, port, podPort, payloadBytes, nonce } = ask;
      const findings = await probePort(this.#ports, { host, port, podPort, secret }, payloadBytes);
      const body = {
        nonce,
        host,
        port,
        reached: findings.reached,
        rttMinMs: Math.round((findings.rttMinMs ?? 0) * 100) / 100,
        upBytesPerSecond: findings.upBytesPerSecond,
        downBytesPerSecond: findings.downBytesPerSecond,
        coordinates: this.#ports.coordinates === null ? null : { ...this.#ports.coordinates },
        atMs: this.#ports.clock.unixMs(),
      };
      return await signDocument('vantage-report', body, this.#ports.hotkey);
    } finally {
      this.#busy -= 1;
    }
  }
}
