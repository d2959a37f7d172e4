/** The validator's own rule of repetition: checks follow each other until the question of a failure is decided. */
import { standingOf } from '@celium/domain';

/** Whether an onboarding ends as failed; `fails` makes one challenge and says whether it failed. The rule asks for three at most. */
export function failsAfterRetries(fails: () => boolean): boolean {
  const verdicts: { verdict: 'pass' | 'fail' }[] = [];
  for (;;) {
    verdicts.unshift({ verdict: fails() ? 'fail' : 'pass' });
    const { verdict, undecided } = standingOf(verdicts);
    if (!undecided) return verdict === 'fail';
  }
}
