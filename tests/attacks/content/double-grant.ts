/** Machines that lease one unit twice: signed grants and a signed, hash-chained log, judged by the rule that anybody can run over them. */
import { checkDoubleGrant, EMPTY_LOG_HASH, keyFromSeed, nextLogEntry, signDocument, toHex } from '@celium/chain';
import { DOUBLE_GRANT_FILE_FORM, type DoubleGrantFile, type Grant, type LogEntry, type Signed } from '@celium/contract';
import { decideLease, type HeldLease, PUBLISHED_WITHIN_MS } from '@celium/domain';
import { type AttackFamily, composeRow, emptyTally } from '../family.ts';
import { type RandomStream, randomStream } from '../random.ts';
import type { RunTries } from '../threads.ts';
import { CHECKED_AT_MS, grantBody, randomUuid } from './proof-file.ts';

const FULL_TRIES = 3_000;
const QUICK_TRIES = 40;
const LEASES = 3;
const UNITS = [1, 2, 3].map((n) => `GPU-${String(n).repeat(8)}-0000-4000-8000-${String(n).repeat(12)}`);

/** What a machine does with the lease that it must not give. */
const CHEATS = {
  honest: 'nothing',
  logged: 'grants a leased unit again and logs both',
  hidden: 'grants a leased unit again and hides it from its log',
  'same-fence': 'restores its disk and gives one fence twice, with no log to show',
  'false-end': 'logs an end that never was, then grants again',
} as const;
type Cheat = keyof typeof CHEATS;

/** What a machine shows the world: grants to their holders, its log to everybody. */
interface Life {
  grants: Signed<'grant'>[];
  log: LogEntry[];
}

/** A machine that answers by the agent's own rule, and once, in the middle, by the cheat. */
async function live(cheat: Cheat, machine: ReturnType<typeof keyFromSeed>, random: RandomStream): Promise<Life> {
  const life: Life = { grants: [], log: [] };
  const fences = new Map<string, number>();
  let open: HeldLease[] = [];
  let nowMs = CHECKED_AT_MS;

  const note = (kind: string, body: object): void => {
    const last = life.log.at(-1);
    const position = { height: life.log.length, hash: last?.hash ?? EMPTY_LOG_HASH };
    life.log.push(nextLogEntry(position, kind, body, nowMs));
  };
  const end = (lease: HeldLease): void => {
    note('lease-ended', { leaseId: lease.leaseId, fence: lease.fence, reason: 'stopped' });
    open = open.filter((held) => held !== lease);
  };
  const grant = async (units: readonly string[], fence: number, isLogged: boolean): Promise<HeldLease> => {
    const changes: Partial<Grant> = { units: [...units], fence, kind: 'paid', termMs: 86_400_000, issuedAtMs: nowMs };
    const signed = await signDocument('grant', grantBody(random, changes), machine);
    const { leaseId, requestId, authority, kind, termMs, issuedAtMs } = signed.body;
    life.grants.push(signed);
    if (isLogged) note('grant', { leaseId, units, fence, kind, termMs, issuedAtMs });
    return { leaseId, requestId, authority, units, kind, fence, sequence: 0 };
  };

  const cheatAt = 1 + random.below(LEASES - 1);
  for (let number = 0; number < LEASES; number++) {
    nowMs += 60_000 + random.below(3_600_000);
    const victim = open[random.below(Math.max(1, open.length))];
    if (number === cheatAt && cheat !== 'honest' && victim !== undefined) {
      if (cheat === 'false-end') end(victim);
      const fence = cheat === 'same-fence' ? victim.fence : nowMs;
      const second = await grant(victim.units.slice(0, 1), fence, cheat !== 'hidden');
      if (cheat !== 'false-end') continue;
      for (const unit of second.units) fences.set(unit, second.fence);
      open.push(second);
    }
    const units = UNITS.slice(random.below(2), 2 + random.below(2));
    for (const held of open.filter((lease) => lease.units.some((unit) => units.includes(unit)))) end(held);
    const ask = {
      requestId: randomUuid(random),
      authority: 'market',
      units,
      kind: 'paid',
      termMs: 86_400_000,
    } as const;
    const answer = decideLease(ask, { units: UNITS, fences, open, tombstones: new Set() }, nowMs);
    if (!answer.ok || !('fence' in answer)) throw new Error('an honest agent grants free units');
    for (const unit of units) fences.set(unit, answer.fence);
    open.push(await grant(units, answer.fence, true));
  }
  nowMs += PUBLISHED_WITHIN_MS;
  if (cheat === 'same-fence') life.log = [];
  return life;
}

/** What a validator makes public of a machine that shows this. A machine that shows no log at all is judged by its grants alone. */
async function evidenceOf({ grants, log }: Life, machine: ReturnType<typeof keyFromSeed>): Promise<DoubleGrantFile> {
  const last = log.at(-1);
  const newest = Math.max(...grants.map(({ body }) => body.issuedAtMs));
  const position = { height: log.length, hash: last?.hash ?? EMPTY_LOG_HASH, atMs: newest + PUBLISHED_WITHIN_MS };
  const shown = { head: await signDocument('log-head', position, machine), entries: log };
  const machineKey = toHex(machine.publicKey);
  return { form: DOUBLE_GRANT_FILE_FORM, machineKey, grants, log: last === undefined ? null : shown };
}

/** What anybody can do with it: check every signature and hash, then apply the rule. */
function convict(file: DoubleGrantFile): string | null {
  const checked = checkDoubleGrant(file);
  return checked.ok ? checked.finding.proof : null;
}

export const runTries: RunTries = async ({ attack, from, to, seed }) => {
  const tally = emptyTally();
  for (let number = from; number < to; number++) {
    const random = randomStream('double-grant', attack, seed, number);
    const machine = keyFromSeed(random.bytes(32));
    const file = await evidenceOf(await live(attack as Cheat, machine, random), machine);
    const before = process.threadCpuUsage();
    const proof = convict(file);
    const { user, system } = process.threadCpuUsage(before);
    tally.tries += 1;
    tally.units += 1;
    tally.validatorCpuSeconds += (user + system) / 1e6;
    tally.proofBytes += JSON.stringify(file).length;
    if (proof !== null) tally.detected += 1;
    tally.reasons[proof ?? 'none'] = (tally.reasons[proof ?? 'none'] ?? 0) + 1;
  }
  return tally;
};

const NOTES: Partial<Record<Cheat, string>> = {
  'false-end': 'its own log clears it: only the market whose heartbeats went on knows better, and its word is no proof',
};

export const family: AttackFamily = {
  name: 'double-grant',
  run: 'content',
  inQuick: true,
  async play(setting) {
    const { quick, seed, threads, progress } = setting;
    const tries = quick ? QUICK_TRIES : FULL_TRIES;
    const play = (cheat: string) => threads.run(new URL(import.meta.url), cheat, tries, seed);
    const honest = await play('honest');
    for (const [cheat, attack] of Object.entries(CHEATS)) {
      if (cheat === 'honest') continue;
      const tally = await play(cheat);
      const note = NOTES[cheat as Cheat] ?? '';
      const target = note === '' ? ({ of: 'rate', atLeast: 0.999 } as const) : null;
      const head = { family: 'double-grant', attack, run: 'content', target, simulated: false, note } as const;
      setting.row(composeRow({ ...head, honestTarget: { atMost: 0 } }, tally, honest));
      progress(`  ${attack}: ${tally.detected} of ${tally.tries}`);
    }
  },
};
