/** What is sent to a card of another maker: files made, contents written, everything read back, the PIN shown to be right. */
import type { Command } from "@persoline/card/apdu";
import { utf8 } from "@persoline/card/bytes";
import {
  appendRecord,
  createFile,
  encodeFcp,
  readBinary,
  readRecord,
  updateBinary,
  verify,
} from "@persoline/card/iso7816";
import type { CardProgram, Segment, Step } from "@persoline/card/program";
import { fill, tlvBytes, valueBytes, ContentProblem, type Values } from "../content.js";
import { shownOf } from "../personal.js";
import { contentModel } from "../product-model.js";
import type { ShownContent } from "../told.js";
import { exact, fidOf, mf, Moody, selected, sfiOf } from "./moods.js";
import { type ForeignEf, type ForeignProduct, numberFile } from "./product.js";

const usualCoding = 0x21;
/** One segment a file: after an interruption each is asked for before it is made again. The file of the card's number is not among them. */
export function foreignInitialisation(product: ForeignProduct): CardProgram {
  const moody = new Moody(product.card.moods);
  const files = product.files.filter((ef) => ef !== numberFile(product));
  return {
    name: `${product.product}/initialisation`,
    segments: files.map((ef) => creation(moody, ef)),
  };
}

export function creation(moody: Moody, ef: ForeignEf): Segment {
  const coding = moody.dataCoding;
  // A record size needs a data coding byte before it: write-once off, data units of one byte (ISO/IEC 7816-4, table 87).
  const records =
    ef.type === "transparent" ? {} : { dataCoding: coding ?? usualCoding, recordSize: ef.record };
  const fcp = encodeFcp({
    ...(ef.type === "transparent"
      ? { size: ef.size }
      : moody.sizeOfRecords
        ? { size: ef.record * ef.count }
        : {}),
    descriptor: {
      kind: "working",
      structure: ef.type,
      shareable: true,
      ...(coding === undefined ? {} : { dataCoding: coding }),
      ...records,
    },
    fid: fidOf(ef),
    sfi: sfiOf(ef),
  });
  const make = moody.step("create", createFile(fcp), {
    why: `create EF ${ef.ef} (${ef.fid})`,
    clause: "ISO/IEC 7816-9, 6.3.2",
    again: "session",
  });
  return {
    name: `create ${ef.ef}`,
    channel: "plain",
    steps: [mf(moody), make],
    done: [mf(moody), selected(moody, ef)],
  };
}

/** Bytes of a transparent file, or of its EF records. Throws ContentProblem when they do not fit. */
export function contentOf(product: ForeignProduct, ef: ForeignEf, values: Values): readonly Uint8Array[] {
  const content = product.write[ef.ef];
  if (content === undefined) return [];
  const parts =
    "tlv" in content
      ? [tlvBytes(Object.entries(content.tlv), values)]
      : "value" in content
        ? [valueBytes(content.value, values)]
        : typeof content.records === "string"
          ? [content.records].flatMap((list) => listed(list, values))
          : content.records.map((form) => valueBytes(form, values));
  const most = ef.type === "transparent" ? ef.size : ef.record;
  if (parts.some(({ length }) => length > most)) throw new ContentProblem(`does not fit in ${ef.ef}`);
  if (ef.type !== "transparent" && parts.length > ef.count) {
    throw new ContentProblem(`has more than the ${String(ef.count)} EF records of ${ef.ef}`);
  }
  return parts;
}

/** `{list}` is one EF record an element; any other template is one alone. */
function listed(template: string, values: Values): Uint8Array[] {
  const value = values[template.slice(1, -1)];
  const texts = Array.isArray(value) ? (value as readonly string[]) : [fill(template, values)];
  return texts.filter((text) => text !== "").map((text) => utf8(text));
}

/** Throws ContentProblem, without the value itself. */
export function foreignPersonalization(product: ForeignProduct, values: Values): CardProgram {
  const moody = new Moody(product.card.moods);
  const most = product.card["command-data"];
  return {
    name: `${product.product}/personalization`,
    segments: product.files.flatMap((ef) => {
      const parts = contentOf(product, ef, values);
      if (parts.length === 0) return [];
      const steps =
        ef.type === "transparent"
          ? blocks(parts[0] ?? new Uint8Array(0), most).map(({ offset, data }) =>
              moody.step("update", updateBinary({ offset, data }), {
                why: `write ${ef.ef} from byte ${String(offset)}`,
                clause: "ISO/IEC 7816-4, 7.2.3",
                again: "same",
              }),
            )
          : parts.map((data, at) => appended(moody, ef, at + 1, data));
      return [
        {
          name: `write ${ef.ef}`,
          channel: "plain" as const,
          steps: [mf(moody), selected(moody, ef), ...steps],
        },
      ];
    }),
  };
}

/** Appended again it would be another EF record: it is asked for by its number, in the file of that short identifier. */
function appended(moody: Moody, ef: ForeignEf, number: number, data: Uint8Array): Step {
  return moody.step("update", appendRecord({ data }), {
    why: `append EF record ${String(number)} to ${ef.ef}`,
    clause: "ISO/IEC 7816-4, 7.3.6",
    again: "probe",
    probe: {
      ask: [
        moody.step(
          "read",
          { ...readRecord({ number, sfi: sfiOf(ef) }), le: data.length },
          {
            why: `is EF record ${String(number)} of ${ef.ef} there as planned?`,
            clause: "ISO/IEC 7816-4, 7.3.3",
            again: "same",
            answer: { value: data },
          },
        ),
      ],
      absent: [exact(0x6a83)],
    },
  });
}

function blocks(data: Uint8Array, most: number): { readonly offset: number; readonly data: Uint8Array }[] {
  return Array.from({ length: Math.ceil(data.length / most) }, (_, at) => ({
    offset: at * most,
    data: data.slice(at * most, (at + 1) * most),
  }));
}

/**
 * Everything read back; the PIN last, once: a wrong one costs a try. When its answer did not come, it is sent again only to a card that
 * tells its counter, and tells it full.
 */
export function foreignProof(product: ForeignProduct, values: Values): CardProgram {
  const moody = new Moody(product.card.moods);
  const most = product.card["command-data"];
  const read = (command: Command, value: Uint8Array, why: string): Step =>
    moody.step("read", command, {
      why,
      clause: "ISO/IEC 7816-4, 7.2.2 and 7.3.3",
      again: "same",
      answer: { value },
      reject: "wrong-answer",
    });
  const files = product.files.flatMap((ef) => {
    const parts = contentOf(product, ef, values);
    const steps =
      ef.type === "transparent"
        ? blocks(parts[0] ?? new Uint8Array(0), most).map(({ offset, data }) =>
            read(
              readBinary({ offset, length: data.length }),
              data,
              `compare ${ef.ef} from byte ${String(offset)}`,
            ),
          )
        : parts.map((data, at) =>
            read(
              { ...readRecord({ number: at + 1 }), le: data.length },
              data,
              `compare EF record ${String(at + 1)} of ${ef.ef}`,
            ),
          );
    if (ef.type !== "transparent" && parts.length > 0) steps.push(noMore(moody, ef, parts));
    return steps.length === 0
      ? []
      : [
          {
            name: `compare ${ef.ef}`,
            channel: "plain" as const,
            steps: [mf(moody), selected(moody, ef), ...steps],
          },
        ];
  });
  const { pin } = product;
  const shown = pin === undefined ? [] : [pinSegment(moody, pin)];
  return { name: `${product.product}/proof`, segments: [...files, ...shown] };
}

/** All that is written is read back. Throws ContentProblem. */
export const foreignShown = (product: ForeignProduct, values: Values): readonly ShownContent[] =>
  product.files.flatMap((ef) => {
    const written = product.write[ef.ef];
    if (written === undefined) return [];
    const parts = contentOf(product, ef, values);
    return ef.type === "transparent"
      ? parts.flatMap((bytes) => shownOf(contentModel(written), { kind: "bytes", bytes }))
      : shownOf(contentModel(written), { kind: "records", records: parts });
  });

/** An EF record too many was appended twice. */
const noMore = (moody: Moody, ef: ForeignEf, parts: readonly Uint8Array[]): Step =>
  moody.step(
    "read",
    { ...readRecord({ number: parts.length + 1 }), le: parts[0]?.length ?? 256 },
    {
      sw: [exact(0x6a83)],
      why: `no EF record after number ${String(parts.length)} of ${ef.ef}`,
      clause: "ISO/IEC 7816-4, 7.3.3",
      again: "same",
      reject: "wrong-answer",
    },
  );

/** The counter before the PIN: whoever has tried already leaves too little room for what goes wrong here. */
function triesLeft(moody: Moody, reference: string, least: number): Step {
  return moody.step(
    "read",
    { cla: 0x00, ins: 0x20, p1: 0x00, p2: Number.parseInt(reference, 16) },
    {
      sw: Array.from({ length: 16 - least }, (_, at) => exact(0x63c0 | (least + at))),
      why: `at least ${String(least)} tries of the PIN are left`,
      clause: "ISO/IEC 7816-4, 7.5.6",
      again: "same",
    },
  );
}

function pinSegment(moody: Moody, pin: NonNullable<ForeignProduct["pin"]>): CardProgram["segments"][number] {
  const field = new Uint8Array(pin.length);
  field.set(utf8(pin.transport));
  const least = pin["tries-left"]?.["at-least"];
  const counter = least === undefined ? undefined : triesLeft(moody, pin.reference, least);
  const step = moody.step("verify", verify({ reference: Number.parseInt(pin.reference, 16), pin: field }), {
    why: "verify the maker's published PIN",
    clause: "ISO/IEC 7816-4, 7.5.6",
    // Interrupted, a PIN that was wrong has cost a try: with the counter as full as before it was not sent, or was right.
    ...(counter === undefined
      ? { again: "never" }
      : { again: "probe", probe: { ask: [{ ...counter, sw: [exact(0x9000)] }], absent: counter.sw } }),
  });
  return {
    name: "pin",
    channel: "plain",
    steps: counter === undefined ? [step] : [counter, step],
  };
}
