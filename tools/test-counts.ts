/** Counts the tests of a vitest report so that nothing that went wrong can look like a pass. */

/** The parts of vitest's JSON report that count. */
export type VitestReport = {
  numPassedTests: number;
  numFailedTests: number;
  testResults?: { name: string; status: string; assertionResults: { status: string }[] }[];
};

/** Tests that passed and tests that failed. */
export type Counts = { passed: number; failed: number };

/**
 * A file that could not be loaded has no tests and counts as one failure; so does a run that ended badly although no
 * test failed (an unhandled rejection, a crash, a deadline).
 */
export function countTests(report: VitestReport | undefined, exitedWell: boolean): Counts {
  if (report === undefined) return { passed: 0, failed: 1 };
  const brokenFiles = (report.testResults ?? []).filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((each) => each.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return { passed: report.numPassedTests, failed: failed === 0 && !exitedWell ? 1 : failed };
}
