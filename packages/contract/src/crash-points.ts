/**
 * Named moments at which a test may kill a program: `CELIUM_CRASH_AT=name` (or `name:n` for the n-th time the point is passed).
 *
 * They stand before and after every durable step. `celium dev crash-points` lists them.
 */

export const CRASH_POINTS = {
  'market.rent.before-commit': 'a rent is decided, its transaction not yet committed',
  'market.rent.committed': 'the rent is committed, the request not yet sent to the agent',
  'market.check.claimed': 'the check before a hand-over is claimed, no validator asked yet',
  'market.check.judged': 'the check before a hand-over is over, the step after it not yet taken',
  'market.outbox.claimed': 'an effect is claimed, not yet carried out',
  'market.outbox.sent': 'an effect was carried out, not yet marked as done',
  'market.grant.received': 'a grant has arrived, not yet stored',
  'market.grant.stored': 'a grant is stored, the rental is starting',
  'market.running.stored': 'both witnesses saw the pod, the rental is running',
  'market.settle.before-commit': 'a settlement is posted, its transaction not yet committed',
  'market.settle.committed': 'a settlement is committed',
  'market.stop.committed': 'a stop is committed, not yet sent to the agent',
  'market.end.committed': 'the rental has ended, its hold is released',
  'agent.request.received': 'a lease request has arrived, nothing stored',
  'agent.grant.stored': 'the fence and the lease are stored, the grant not yet sent',
  'agent.pod.created': 'the container is created, not yet started',
  'agent.pod.started': 'the container runs, not yet reported',
  'agent.stop.stored': 'the lease is ended in the store, its container still runs',
  'agent.pod.removed': 'the container is removed, not yet reported',
  'validator.lease.requested': 'a verification lease was asked for, the grant not yet stored',
  'validator.lease.granted': 'the grant is stored, the challenge not yet begun',
  'validator.challenge.answered': 'the challenge is over, not yet audited',
  'validator.receipt.logged': 'the receipt is in the log, not yet published',
  'validator.weights.submitted': 'weights were submitted, not yet noted',
  'devchain.op.accepted': 'an operation is accepted, not yet appended',
  'devchain.op.appended': 'an operation is on disk, not yet answered',
  'devchain.block.sealed': 'a block is sealed',
} as const;

export type CrashPoint = keyof typeof CRASH_POINTS;

/** Called at a crash point: returns, unless this is where the process was told to die. */
export type CrashHere = (point: CrashPoint) => void;

/**
 * Makes the function that a program calls at its crash points.
 *
 * @param spec the value of `CELIUM_CRASH_AT`, or undefined for none
 * @param die ends the process at once, for example by SIGKILL
 * @throws RangeError for a point that does not exist
 */
export function crashAt(spec: string | undefined, die: () => void): CrashHere {
  if (spec === undefined || spec === '') return () => {};
  const [name = '', count = '1', ...rest] = spec.split(':');
  if (!Object.hasOwn(CRASH_POINTS, name))
    throw new RangeError(`CELIUM_CRASH_AT: there is no crash point ${JSON.stringify(name)}`);
  if (rest.length > 0 || !/^[1-9][0-9]{0,8}$/.test(count))
    throw new RangeError(`CELIUM_CRASH_AT: ${JSON.stringify(spec.slice(name.length + 1))} is no count of 1 or more`);
  let left = Number.parseInt(count, 10);
  return (point) => {
    if (point !== name) return;
    left -= 1;
    if (left === 0) die();
  };
}
