import type { Command } from "../apdu/index.js";
import { type Aid, CardProblem, concat, type Fid, u16 } from "../bytes/index.js";

/** What SELECT shall answer with; "none" costs the fewest bytes. */
export type SelectAnswer = "fci" | "fcp" | "fmd" | "none";
const ANSWERS = { fci: 0x00, fcp: 0x04, fmd: 0x08, none: 0x0c } as const;
const OCCURRENCES = { first: 0x00, last: 0x01, next: 0x02, previous: 0x03 } as const;

export interface SelectOptions {
  /** Default "fci". */
  readonly answer?: SelectAnswer;
}

/** ISO/IEC 7816-4:2005, 7.1.1: SELECT by DF name, which may be cut short. `occurrence` walks DFs of one prefix. */
export function selectByAid(
  name: Aid | Uint8Array,
  options: SelectOptions & { readonly occurrence?: keyof typeof OCCURRENCES } = {},
): Command {
  return select(0x04, name, options.answer, OCCURRENCES[options.occurrence ?? "first"]);
}

const SCOPES = { any: 0x00, "child-df": 0x01, "child-ef": 0x02 } as const;

/** ISO/IEC 7816-4:2005, 7.1.1: SELECT by file identifier, `in` the current DF's surroundings ("any"), its child DFs or its EFs. */
export function selectByFid(
  id: Fid,
  options: SelectOptions & { readonly in?: keyof typeof SCOPES } = {},
): Command {
  return select(SCOPES[options.in ?? "any"], u16(id), options.answer);
}

/** ISO/IEC 7816-4:2005, 7.1.1: SELECT by path, from the MF (without its identifier) or from the current DF (without its own). */
export function selectByPath(
  path: readonly Fid[],
  options: SelectOptions & { readonly from?: "mf" | "current" } = {},
): Command {
  if (path.length === 0) throw new CardProblem("bad-value", "SELECT", "the path is empty");
  return select(
    options.from === "current" ? 0x09 : 0x08,
    concat(...path.map((id) => u16(id))),
    options.answer,
  );
}

/** ISO/IEC 7816-4:2005, 7.1.1: SELECT the parent of the current DF. */
export function selectParent(options: SelectOptions = {}): Command {
  return select(0x03, new Uint8Array(0), options.answer);
}

/** ISO/IEC 7816-4:2005, 7.1.1: SELECT the MF, by its identifier 3F00. */
export function selectMf(options: SelectOptions = {}): Command {
  return select(0x00, u16(0x3f00), options.answer);
}

function select(p1: number, data: Uint8Array, answer: SelectAnswer = "fci", occurrence = 0x00): Command {
  return {
    cla: 0x00,
    ins: 0xa4,
    p1,
    p2: ANSWERS[answer] | occurrence,
    ...(data.length === 0 ? {} : { data }),
    ...(answer === "none" ? {} : { le: 256 }),
  };
}
