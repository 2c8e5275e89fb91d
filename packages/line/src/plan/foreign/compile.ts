/** A product on cards of another maker as the line runs it: programs that all cards share, and how the line numbers chips without numbers. */
import { unhex } from "@persoline/card/bytes";
import { readBinary, updateBinary } from "@persoline/card/iso7816";
import type { CardProgram, Serial, Step } from "@persoline/card/program";
import { ContentProblem, type Values } from "../content.js";
import type { CompiledProduct, WrittenNumber } from "../types.js";
import { exact, mf, Moody, selected } from "./moods.js";
import { fieldsIn, type ForeignEf, type ForeignProduct, numberFile, numberLength } from "./product.js";
import { contentOf, creation, foreignInitialisation } from "./programs.js";

/** What `compileForeign` gives, and the record's programs are made from. */
export interface PlannedForeign extends CompiledProduct {
  readonly product: ForeignProduct;
}

/** Builds once what all cards of a product share. Pure. */
export function compileForeign(product: ForeignProduct): PlannedForeign {
  const { name, columns, atr } = product;
  const writtenNumber = numbered(product);
  return {
    name,
    product,
    columns,
    pins: [],
    atr,
    test: test(product),
    // As it is for a card, but for the number itself.
    completion: writtenNumber.numbering("00".repeat(numberLength) as Serial),
    initialisation: foreignInitialisation(product),
    termination: termination(product),
    terminationInitial: undefined,
    writtenNumber,
  };
}

/** Undefined: nothing that such a card is known to understand would end it, and a reject stays readable until it is destroyed. */
function termination(product: ForeignProduct): CardProgram | undefined {
  const moody = new Moody(product.card.moods);
  const { end } = moody;
  if (end === undefined) return undefined;
  const { command, why, clause } = terminations[end];
  return {
    name: `${product.name}/termination`,
    segments: [
      {
        name: "terminate",
        channel: "plain",
        steps: [mf(moody), moody.step("create", command, { why, clause, again: "same" })],
      },
    ],
  };
}

const terminations = {
  "terminate-card-usage": {
    command: { cla: 0x00, ins: 0xfe, p1: 0x00, p2: 0x00 },
    why: "end the card for ever",
    clause: "ISO/IEC 7816-9, TERMINATE CARD USAGE",
  },
  "terminate-df": {
    command: { cla: 0x00, ins: 0xe6, p1: 0x00, p2: 0x00 },
    why: "end the MF, and all files in it, for ever",
    clause: "ISO/IEC 7816-9, TERMINATE DF",
  },
} as const;

const notFound = exact(0x6a82);

/** A blank has none of the product's files; nothing is written. */
function test(product: ForeignProduct): CardProgram {
  const moody = new Moody(product.card.moods);
  const absent = (ef: ForeignEf): Step => ({
    ...selected(moody, ef),
    sw: [notFound],
    reject: "foreign-card",
    why: `EF ${ef.ef} (${ef.fid}) is not there: the card is a blank`,
  });
  return {
    name: `${product.name}/test`,
    segments: [
      {
        name: "look for files",
        channel: "plain",
        steps: product.files
          .filter((ef) => ef !== numberFile(product))
          .flatMap((ef) => [mf(moody), absent(ef)]),
      },
    ],
  };
}

function numbered(product: ForeignProduct): WrittenNumber {
  const moody = new Moody(product.card.moods);
  const ef = numberFile(product);
  if (ef === undefined) throw new RangeError(`${product.name} has no file for the card's number`);
  const read = moody.step("read", readBinary({ offset: 0, length: numberLength }), {
    why: "read the number that the line gave this card",
    clause: "ISO/IEC 7816-4, 7.2.2",
    again: "same",
  });
  return {
    begins: product.number.begins.toUpperCase(),
    ask: [mf(moody), selected(moody, ef), read],
    absent: notFound,
    numbering: (serial) => ({
      name: `${product.name}/numbering`,
      segments: [
        creation(moody, ef),
        {
          name: "number the card",
          channel: "plain",
          steps: [
            mf(moody),
            selected(moody, ef),
            moody.step("update", updateBinary({ offset: 0, data: unhex(serial) }), {
              why: "write the number that the stock has for this card",
              clause: "ISO/IEC 7816-4, 7.2.3",
              again: "same",
            }),
            { ...read, answer: { value: unhex(serial) }, reject: "eeprom-fault" },
          ],
        },
      ],
    }),
  };
}

/** The columns of what does not fit into its file, with the reason; nothing of the values. */
export function foreignProblems(
  { product }: PlannedForeign,
  values: Values,
): readonly { readonly columns: readonly string[]; readonly message: string }[] {
  return product.files.flatMap((ef) => {
    const written = product.write[ef.ef];
    if (written === undefined) return [];
    try {
      contentOf(product, ef, values);
      return [];
    } catch (thrown) {
      if (!(thrown instanceof ContentProblem)) throw thrown;
      const fields = fieldsIn(written);
      const columns = product.columns.filter(({ field }) => fields.includes(field));
      return [{ columns: columns.map(({ column }) => column), message: thrown.message }];
    }
  });
}
