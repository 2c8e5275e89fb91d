import { writeFileSync } from "node:fs";
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from "vitest/node";

/** A failure as a test run's end names it: where, and the first line of why. */
const failure = (where: string, errors: readonly { readonly message: string }[] = []): string =>
  [where, ...errors.map(({ message }) => message.split("\n", 1)[0] ?? "")].join("\n    ");

/**
 * Ends a test run with one line of true counts: `N passed, N failed[, N skipped]`.
 *
 * Whatever kept a test from being seen counts as a failure: a module that would not load, a failed hook,
 * an error outside every test, an interruption, an empty run, a run that never reported its end.
 * With PERSOLINE_COUNTS set, the counts go to that file instead, with the failures by name and the seconds of every file, and the
 * caller prints them and the total.
 */
export default class ClosingLine implements Reporter {
  #ended = false;
  #passed = 0;
  /** By name; one that nobody can name any more is one too. */
  #failures: string[] = [];
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
    this.#failures = unhandled.map((error) => failure("outside every test", [error]));
    if (reason === "interrupted") this.#failures.push("the run was interrupted");
    for (const module of modules) {
      for (const error of module.errors()) this.#failures.push(failure(module.relativeModuleId, [error]));
      const { collectDuration, duration } = module.diagnostic();
      this.#seconds[module.relativeModuleId] = (collectDuration + duration) / 1000;
      for (const suite of module.children.allSuites())
        for (const error of suite.errors())
          this.#failures.push(failure(`${module.relativeModuleId} > ${suite.fullName}`, [error]));
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (state === "passed") this.#passed++;
        else if (state === "skipped") this.#skipped++;
        else this.#failures.push(failure(`${module.relativeModuleId} > ${test.fullName}`, errors));
      }
    }
    if (this.#passed + this.#failures.length === 0) this.#failures.push("no test ran");
  }

  #close(): void {
    if (!this.#ended) this.#failures.push("the run never reported its end");
    const counts = { passed: this.#passed, failed: this.#failures.length, skipped: this.#skipped };
    const file = process.env["PERSOLINE_COUNTS"];
    if (file !== undefined) {
      writeFileSync(file, JSON.stringify({ ...counts, failures: this.#failures, seconds: this.#seconds }));
      return;
    }
    const skipped = counts.skipped > 0 ? `, ${String(counts.skipped)} skipped` : "";
    process.stdout.write(`${String(counts.passed)} passed, ${String(counts.failed)} failed${skipped}\n`);
  }
}
