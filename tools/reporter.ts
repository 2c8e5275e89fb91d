import { writeFileSync } from "node:fs";
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from "vitest/node";

/**
 * Ends a test run with one line of true counts: `N passed, N failed[, N skipped]`.
 *
 * Whatever kept a test from being seen counts as a failure: a module that would not load, a failed hook,
 * an error outside every test, an interruption, an empty run, a run that never reported its end.
 * With PERSOLINE_COUNTS set, the counts go to that file instead, with the seconds of every file, and the caller prints the total.
 */
export default class ClosingLine implements Reporter {
  #ended = false;
  #passed = 0;
  #failed = 0;
  #skipped = 0;
  /** By path from the root: from a file's first import to its last hook. */
  readonly #seconds: Record<string, number> = {};

  onInit(): void {
    process.once("exit", () => {
      this.#close();
    });
  }

  onTestRunEnd(
    modules: readonly TestModule[],
    unhandled: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    this.#ended = true;
    this.#passed = 0;
    this.#skipped = 0;
    this.#failed = unhandled.length + (reason === "interrupted" ? 1 : 0);
    for (const module of modules) {
      this.#failed += module.errors().length;
      const { collectDuration, duration } = module.diagnostic();
      this.#seconds[module.relativeModuleId] = (collectDuration + duration) / 1000;
      for (const suite of module.children.allSuites()) this.#failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") this.#passed++;
        else if (state === "skipped") this.#skipped++;
        else this.#failed++;
      }
    }
    if (this.#passed + this.#failed === 0) this.#failed = 1;
  }

  #close(): void {
    if (!this.#ended) this.#failed++;
    const counts = { passed: this.#passed, failed: this.#failed, skipped: this.#skipped };
    const file = process.env["PERSOLINE_COUNTS"];
    if (file !== undefined) {
      writeFileSync(file, JSON.stringify({ ...counts, seconds: this.#seconds }));
      return;
    }
    const skipped = counts.skipped > 0 ? `, ${String(counts.skipped)} skipped` : "";
    process.stdout.write(`${String(counts.passed)} passed, ${String(counts.failed)} failed${skipped}\n`);
  }
}
