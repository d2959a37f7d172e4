/** One link per market of the manifest; a new manifest opens, closes or keeps them. */
import type { Log } from '../log.ts';
import type { OwnManifest } from '../manifest/manifest-source.ts';
import type { StatusListener } from '../reconciler/reconciler.ts';
import type { LeaseRecord } from '../store/lease-record.ts';
import { MarketLink, type MarketLinkPorts } from './market-link.ts';

export class MarketLinks {
  readonly #ports: MarketLinkPorts;
  readonly #log: Log;
  #links: MarketLink[] = [];

  constructor(ports: MarketLinkPorts) {
    this.#ports = ports;
    this.#log = ports.log;
  }

  /** Opens and closes links until they are those of the manifest; the others say hello with it. */
  follow(manifest: OwnManifest): void {
    const wanted = manifest.machine.markets;
    const isWanted = (link: MarketLink): boolean =>
      wanted.some((market) => market.key === link.key && market.url === link.url);
    for (const link of this.#links.filter((one) => !isWanted(one))) {
      this.#log.info({ market: link.url }, 'the manifest no longer lists this market');
      link.stop();
    }
    this.#links = this.#links.filter(isWanted);
    for (const link of this.#links) link.greet();
    for (const market of wanted) {
      if (this.#links.some((link) => link.key === market.key && link.url === market.url)) continue;
      const link = new MarketLink(market, this.#ports);
      this.#links.push(link);
      link.start();
    }
  }

  /** Passes a lease's state on to the market that holds it. */
  readonly tell: StatusListener = (record, status) => {
    for (const link of this.#linksOf(record)) link.tell(status);
  };

  /** Passes a grant on that was signed again. */
  tellGrant(record: LeaseRecord): void {
    for (const link of this.#linksOf(record)) link.tellGrant(record.grant);
  }

  stop(): void {
    for (const link of this.#links) link.stop();
  }

  #linksOf(record: LeaseRecord): MarketLink[] {
    return this.#links.filter((link) => link.key === record.grant.body.authority);
  }
}
