/** The rule of repetition as the design has it: a failure is repeated within ten minutes, and if the two differ a third decides. */

/** Whether an onboarding ends as failed; `fails` makes one challenge and says whether it failed. */
export function failsAfterRetries(fails: () => boolean): boolean {
  if (!fails()) return false;
  return fails() || fails();
}
