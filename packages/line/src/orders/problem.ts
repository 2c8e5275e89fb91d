import type { InputProblem } from "./types.js";
import { problemText } from "./yaml.js";
import type { FileProblem } from "./yaml.js";

/**
 * A file handed to the line breaks its rules. Holds everything found, in the file's order; nothing has happened yet when it is thrown.
 * `code` is that of the first problem.
 */
export class DataProblem extends Error {
  override readonly name = "DataProblem";
  readonly code: string;

  /** `more`: how many further problems were counted but not kept. */
  constructor(
    readonly problems: readonly (InputProblem | FileProblem)[],
    readonly more = 0,
    options?: ErrorOptions,
  ) {
    const told = problems.map((problem) => ("path" in problem ? problemText(problem) : inputText(problem)));
    super([...told, ...(more > 0 ? [`… and ${String(more)} more`] : [])].join("\n"), options);
    this.code = problems[0]?.code ?? "unknown";
  }
}

/** `file:row "Column": what is wrong; what to do`. */
export const inputText = (p: InputProblem): string => {
  const place = p.row === undefined ? p.file : `${p.file}:${String(p.row)}`;
  return `${place}${p.column === undefined ? "" : ` "${p.column}"`}: ${p.message}; ${p.remedy}`;
};

/** What a reader of one file tells about a place in it. */
export type Told = Omit<InputProblem, "file">;

/** Gathers the problems of one file: the first thousand in full, the rest as a number. */
export class Findings {
  readonly #list: InputProblem[] = [];
  #more = 0;

  constructor(
    readonly file: string,
    readonly limit = 1000,
  ) {}

  tell(told: Told): void {
    if (this.#list.length < this.limit) this.#list.push({ file: this.file, ...told });
    else this.#more++;
  }

  get count(): number {
    return this.#list.length + this.#more;
  }

  /** Throws the DataProblem when there is anything to tell. */
  refuse(): void {
    if (this.count === 0) return;
    throw new DataProblem(
      this.#list.toSorted((a, b) => (a.row ?? 0) - (b.row ?? 0)),
      this.#more,
    );
  }
}
