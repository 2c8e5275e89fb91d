/** What to do about a protection level that is not kept: which file asks for it, in which line, and what would have to stand there. */
import { existsSync, readFileSync } from "node:fs";
import type { Capability, HsmOperation } from "../devices/hsm/port.js";
import { suffices } from "../devices/hsm/order-levels.js";
import type { FileProblem } from "../orders/yaml.js";
import { placeInYaml } from "../orders/yaml.js";
import type { InputProblem } from "../orders/types.js";
import type { SecuredOperation, SecurityLevel, SecurityLevels } from "../orders/security.js";

/** Who says how well keys must be kept: `file` of a product, an order or a line, or in words what is kept of an order. */
export interface Wanting {
  readonly file: string;
  readonly levels: SecurityLevels | undefined;
}

const otherModule = "use a security module that keeps it";

/** `kept`: what the module does keep. */
export interface Unkept {
  readonly operation: HsmOperation;
  readonly message: string;
  readonly kept: Capability["level"];
}

/** `file`: what is refused, where no file can be named. Of each file one line is told for an example, which lets all of them be kept. */
export function levelProblems(ask: {
  readonly unkept: readonly Unkept[];
  readonly wanted: readonly Wanting[];
  readonly file: string;
}): readonly (InputProblem | FileProblem)[] {
  const { unkept, wanted, file } = ask;
  const told = unkept.map((one) => ({ ...one, words: wordsOf(one, wanted) }));
  /** With what is kept for each operation that this file's word refuses, or that nobody says a word about. */
  const example = (where: string, levels: SecurityLevels | undefined): string => {
    const better = told.flatMap(({ operation, kept, words }) =>
      kept !== "unavailable" &&
      (words.length === 0 ? where === wanted[0]?.file : words.some((word) => word.where === where))
        ? [[operation, kept] as const]
        : [],
    );
    return lineFor({ ...levels, ...Object.fromEntries(better) });
  };
  return told.flatMap(({ message, kept, words }): readonly (InputProblem | FileProblem)[] => {
    const problem = { code: "protection-level", message };
    if (kept === "unavailable") return [{ ...problem, file, remedy: "use a security module that can do it" }];
    if (words.length === 0) {
      const [silent] = wanted;
      if (silent === undefined) return [{ ...problem, file, remedy: otherModule }];
      return [
        {
          ...problem,
          file,
          remedy: `${otherModule}; or let those who answer for the keys write a line into ${silent.file}, for example "${example(silent.file, silent.levels)}"`,
        },
      ];
    }
    return words.map(({ where, levels, key, level }) => {
      const remedy = `${otherModule}; or let those who answer for the keys change it where "${key}: ${level}" stands, for example to "${example(where, levels)}"`;
      const place = existsSync(where)
        ? placeInYaml(readFileSync(where, "utf8"), ["security", key])
        : undefined;
      if (place === undefined) return { ...problem, file: where, remedy };
      return { ...problem, file: where, ...place, path: `security.${key}`, remedy };
    });
  });
}

/** Whose words ask for more than is kept, in the order of `wanted`. */
const wordsOf = ({ operation, kept }: Unkept, wanted: readonly Wanting[]) =>
  wanted.flatMap(({ file: where, levels }) => {
    const key: SecuredOperation = levels?.[operation] === undefined ? "default" : operation;
    const level = levels?.[key];
    return levels === undefined || level === undefined || suffices(kept, level)
      ? []
      : [{ where, levels, key, level }];
  });

/** As YAML has it on one line. */
const lineFor = (levels: Readonly<Partial<Record<string, SecurityLevel | undefined>>>): string =>
  `security: { ${Object.entries(levels)
    .flatMap(([name, level]) => (level === undefined ? [] : [`${name}: ${level}`]))
    .join(", ")} }`;
