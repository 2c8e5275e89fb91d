/** The question who a card is, with which every visit begins: it needs no key, costs nothing and is answered in every phase. */
import type { Response } from "@persoline/card/apdu";
import { hex } from "@persoline/card/bytes";
import { bare, getVersion } from "@persoline/card/desfire";
import { nativeBlocks, plainSent, type Sent, type Step } from "@persoline/card/program";
import type { CompiledProduct, WrittenNumber } from "../plan/types.js";

export interface Identity {
  readonly ask: readonly Sent[];
  /** The same as steps, for estimates. */
  readonly steps: readonly Step[];
  readonly what: string;
  /** The serial; "hidden": a card that shows nobody who it is; "none": one that the line has yet to number; undefined: this is no answer. */
  readonly serialIn: (answers: readonly Response[]) => string | undefined;
}

const question = (command: Sent["command"], sw: number, answer: number, clause: string): Step => ({
  cla: command.cla,
  ins: command.ins,
  p1: command.p1,
  p2: command.p2,
  data: [],
  le: 256,
  sw: [{ value: sw, mask: 0xffff }],
  answer: { value: new Uint8Array(answer) },
  again: "same",
  changes: false,
  why: "which chip is this?",
  clause,
  cost: { pages: 0 },
});
const identity = (
  commands: readonly (readonly [command: Sent["command"], step: Step])[],
  rest: Pick<Identity, "what" | "serialIn">,
): Identity => ({
  ask: commands.map(([command, { sw }]) => ({ command, sw })),
  steps: commands.map(([, step]) => step),
  ...rest,
});

/** GET DATA, chip number (docs/card-os.md 2). */
const getChipNumber = { cla: 0x80, ins: 0xca, p1: 0x00, p2: 0xcf, le: 256 };
const chipNumber = identity([[getChipNumber, question(getChipNumber, 0x9000, 12, "docs/card-os.md 2")]], {
  what: "GET DATA for the chip number",
  serialIn: ([answer]) => {
    const data = answer?.data ?? new Uint8Array(0);
    const isOne = answer?.sw === 0x9000 && data.length === 12 && data[0] === 0xcf && data[1] === 10;
    return isOne ? hex(data.subarray(2)) : undefined;
  },
});

/** GetVersion in its three frames; the last begins with the UID, or with zeros where the card keeps it to itself (docs/desfire-card.md 3). */
const versionFrame = bare(getVersion);
const moreFrame = bare({ ins: 0xaf, send: "plain", receive: "plain" });
const clause = "docs/desfire-card.md 3";
const uid = identity(
  [
    [
      versionFrame,
      { ...question(versionFrame, 0x91af, 7, clause), cost: { pages: 0, aesBlocks: nativeBlocks(0) } },
    ],
    [moreFrame, question(moreFrame, 0x91af, 7, clause)],
    [moreFrame, question(moreFrame, 0x9100, 14, clause)],
  ],
  {
    what: "GetVersion",
    serialIn: (answers) => {
      const last = answers[2];
      if (last?.sw !== 0x9100 || last.data.length !== 14) return undefined;
      const shown = last.data.subarray(0, 7);
      return shown.every((byte) => byte === 0) ? "hidden" : hex(shown);
    },
  },
);

/** The number that the line wrote into a chip without one of its own. */
const written = ({ ask, absent, begins }: WrittenNumber): Identity => ({
  ask: ask.map(plainSent),
  steps: ask,
  what: "the question for the number written into it",
  serialIn: (answers) => {
    const last = answers.at(-1);
    if (last === undefined) return undefined;
    // Only the files may be missing: a card without an MF is another matter.
    if (answers.length === 2 && (last.sw & absent.mask) === absent.value) return "none";
    if (answers.length < ask.length || last.data.length !== numberLength) return undefined;
    // The file was made, and the line was cut off before it wrote.
    if (last.data.every((byte) => byte === 0x00) || last.data.every((byte) => byte === 0xff)) return "none";
    const number = hex(last.data);
    return number.startsWith(begins) ? number : undefined;
  },
});
const numberLength = 10;

export function identityOf({
  identity: how,
  writtenNumber,
}: Pick<CompiledProduct, "identity" | "writtenNumber">): Identity {
  if (writtenNumber !== undefined) return written(writtenNumber);
  return how === undefined ? chipNumber : uid;
}
