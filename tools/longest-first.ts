import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * End-to-end files that take longest, as the end of `npm test` names them: begun first, none is left alone at the end with cores idle.
 * Elsewhere the runner guesses, by size, or by the last run where it remembers one.
 */
const longest = [
  "kill",
  "quality",
  "office",
  "payment-hundred",
  "issuer",
  "keys-token",
  "power-cut",
  "mailing",
  "orders",
  "line-memory",
  "module-faults",
];

const isEndToEnd = ({ project }: TestSpecification): boolean => project.name === "e2e";

function place({ moduleId }: TestSpecification): number {
  const at = longest.findIndex((name) => moduleId.endsWith(`/${name}.e2e.test.ts`));
  return at === -1 ? longest.length : at;
}

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const endToEnd = sorted.filter(isEndToEnd).toSorted((a, b) => place(a) - place(b));
    return [...sorted.filter((file) => !isEndToEnd(file)), ...endToEnd];
  }
}
