/**
 * The retry rule: one failure decides nothing. It is repeated within ten minutes, and if the two differ a third check decides. It says when a unit is checked
 * next (`due.ts`) and what a failure that stands is (the attack suite's figures); until a question is closed the word of `offer/verdict.ts` stands, which is
 * the newest check's: a machine with an open failure is neither rented nor paid meanwhile.
 */

/** What the checks of a unit come to, under the rule. */
export interface Standing {
  /** The last verdict that was decided; null before the first. */
  verdict: 'pass' | 'fail' | null;
  /** A failure is open: the next check comes within ten minutes. */
  undecided: boolean;
}

/**
 * The standing after a row of verdicts on one unit by one validator, the newest first.
 *
 * A pass stands at once. A failure after anything but a decided failure opens a question: a second failure decides it, a pass calls for a third check, and that one
 * decides. A unit whose failure is decided has its next check in the routine interval, and one pass lifts it. With a share e of honest
 * checks that fail for no fault, a question ends in `fail` with a chance of e + (1 - e) e, so e itself becomes less than 2 e squared.
 */
export function standingOf(verdicts: ReadonlyArray<{ verdict: 'pass' | 'fail' }>): Standing {
  let standing: Standing['verdict'] = null;
  let open: 'failed' | 'differs' | null = null;
  for (const { verdict } of verdicts.toReversed()) {
    if (open === 'failed' && verdict === 'pass') open = 'differs';
    else if (open === null && verdict === 'fail' && standing !== 'fail') open = 'failed';
    else {
      standing = verdict;
      open = null;
    }
  }
  return { verdict: standing, undecided: open !== null };
}
