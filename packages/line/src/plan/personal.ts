import { concat, utf8 } from "@persoline/card/bytes";
import {
  type CardProgram,
  completedTiming,
  type SecureChannelSpec,
  type Segment,
  type Step,
  stepCost,
} from "@persoline/card/program";
import { cutBlocks } from "./blocks.js";
import {
  activateFile,
  activeProbe,
  type ChipStatus,
  chipStatus,
  drawPin,
  internalAuthenticate,
  keyInformation,
  type Place,
  pageSize,
  pinState,
  proveFile,
  putDfKey,
  putKeySet,
  readBinary,
  readRecord,
  selectDf,
  selectMf,
  setPin,
  setStatus,
  updateBinary,
  updateRecord,
} from "./commands.js";
import {
  ContentProblem,
  fieldsOf,
  filled,
  plainForms,
  templateOf,
  tlvBytes,
  type Values,
  valueBytes,
} from "./content.js";
import { dfFcp, efFcp, type Fcp, MF, refsOf } from "./fcp.js";
import type { ContentModel, DfModel, EfModel, Product } from "./product-model.js";
import type { ShownContent } from "./told.js";

/** What goes into an EF: bytes from its beginning, or EF records from number 1. */
export type Content =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "records"; readonly records: readonly Uint8Array[] };

/** A content as what a proof of it lets the chip say; each of several EF records says what its own form is. */
export function shownOf(model: ContentModel | undefined, content: Content): readonly ShownContent[] {
  if (content.kind === "bytes")
    return [{ bytes: content.bytes, ...(model === undefined ? {} : { content: model }) }];
  if (model?.kind !== "records") return [];
  return content.records.flatMap((bytes, at) => {
    const form = model.forms[at];
    return form === undefined ? [] : [{ bytes, content: { kind: "value", form } as const }];
  });
}

/** One EF with everything about it that is the same for all cards. */
export interface EfPlan {
  readonly model: EfModel;
  readonly place: Place;
  readonly fcp: Fcp;
  /** Whether it is active. */
  readonly active: NonNullable<Step["probe"]>;
  /** Undefined: personal, or nothing is ever written. */
  readonly common?: Content;
  readonly personal: boolean;
  /** Columns its content is made of, for messages. */
  readonly columns: readonly string[];
}

export interface DfPlan {
  readonly model: DfModel;
  readonly place: Place;
  readonly fcp: Fcp;
  readonly select: Step;
  readonly files: readonly EfPlan[];
  /** Keys, PIN and activation, in this order, after the files are written. */
  readonly closing: readonly Step[];
}

export interface PersonalPlan {
  readonly channel: SecureChannelSpec;
  readonly proofChannel: SecureChannelSpec;
  readonly dfs: readonly DfPlan[];
  readonly ending: readonly Step[];
  readonly done: readonly Step[];
  readonly proofOpening: readonly Step[];
}

/** Most plain data bytes of a command under SCP03 with an 8-byte MAC; encryption pads to whole blocks (Amendment D 6.2.6). */
export const mostData = (level: number): number => ((level & 0x02) === 0 ? 247 : 239);

export const mfPlace: Place = { path: [], label: "MF (3F00)" };
const label = (kind: string, name: string, fid: number): string =>
  `${kind} ${name} (${fid.toString(16).toUpperCase().padStart(4, "0")})`;

/** The DFs of a product with all that does not depend on a person. */
export function dfPlans(product: Product): DfPlan[] {
  return product.dfs.map((df) => {
    const isMf = df.aid === undefined;
    const place: Place = isMf ? mfPlace : { path: [df.fid], label: label("DF", df.name, df.fid) };
    const fcp = dfFcp(df);
    const files = df.files.map((ef) => efPlan(ef, df, product));
    const pin = product.pin?.df === df.name ? product.pin : undefined;
    return {
      model: df,
      place,
      fcp,
      select: df.aid === undefined ? selectMf() : selectDf(df.aid, df.name),
      files,
      closing: [
        ...(df.keys === undefined
          ? []
          : [
              putDfKey(df.keys.master, df.keys.gate, df.keys.kvn, "that gates authenticate with"),
              putDfKey(df.keys.master, df.keys.proof, df.keys.kvn, "that proves files"),
            ]),
        ...(pin === undefined || pin.by.method === "card" ? [] : [setPin(pin.name, pin.length, pin.tries)]),
        ...files.map((file) => activateFile(file.place, file.model.fid, file.active)),
        // The MF itself is activated last of all.
        ...(isMf ? [] : [activateFile(place, df.fid, activeProbe(place, fcp))]),
      ],
    };
  });
}

const lineFields = ["order", "record", "cardNumber"];

function efPlan(ef: EfModel, df: DfModel, product: Product): EfPlan {
  const fields = contentFields(ef);
  const columns = product.columns.filter(({ field }) => fields.includes(field)).map(({ column }) => column);
  const personal = fields.length > 0;
  const common = ef.content === undefined || personal ? undefined : contentOf(ef, {});
  const above = df.aid === undefined ? [] : [df.fid];
  const place: Place = { path: [...above, ef.fid], label: label("EF", ef.name, ef.fid) };
  const fcp = efFcp(ef, refsOf(df), product.coded);
  return {
    model: ef,
    place,
    fcp,
    active: activeProbe(place, fcp),
    personal,
    columns: columns.length > 0 || !personal ? columns : lineFields.filter((field) => fields.includes(field)),
    ...(common === undefined ? {} : { common }),
  };
}

export function contentFields(ef: Pick<EfModel, "content">): string[] {
  const { content } = ef;
  if (content === undefined) return [];
  if (content.kind === "list") return [content.field];
  const forms =
    content.kind === "tlv"
      ? content.objects.map(([, form]) => form)
      : content.kind === "records"
        ? content.forms
        : [content.form];
  return forms.flatMap(plainForms).flatMap((form) => fieldsOf(templateOf(form) ?? ""));
}

/** What a record writes into an EF (or `what` it is). Throws ContentProblem when it does not fit. */
export function contentOf(
  ef: Pick<EfModel, "name" | "size" | "record" | "count" | "content">,
  values: Values,
  what = "EF",
): Content {
  const { content } = ef;
  if (content === undefined) return { kind: "bytes", bytes: new Uint8Array(0) };
  if (content.kind === "tlv" || content.kind === "value") {
    const bytes =
      content.kind === "tlv" ? tlvBytes(content.objects, values) : valueBytes(content.form, values);
    if (bytes.length > ef.size) {
      throw new ContentProblem(`needs ${bytes.length} bytes, ${what} ${ef.name} has ${ef.size}`);
    }
    return { kind: "bytes", bytes };
  }
  const list = content.kind === "list" ? (values[content.field] ?? []) : content.forms;
  const forms = typeof list === "string" ? [list] : list;
  if (forms.length > ef.count) {
    throw new ContentProblem(`has ${forms.length} entries, ${what} ${ef.name} has ${ef.count} records`);
  }
  return {
    kind: "records",
    records: forms.map((form) => {
      // A list's entries are texts as they are; only a product's own forms are templates.
      const bytes =
        content.kind === "list" && typeof form === "string" ? utf8(form) : valueBytes(form, values);
      if (bytes.length > ef.record) {
        throw new ContentProblem(
          `has an entry of ${bytes.length} bytes, records of ${what} ${ef.name} have ${ef.record}`,
        );
      }
      return filled(bytes, ef.record);
    }),
  };
}

/** Writes an EF of the current DF, in the cheapest blocks. */
export function writeSteps(
  file: EfPlan,
  content: Content,
  channel: SecureChannelSpec & { protocol: "scp03" },
  resume: "activated" | "common",
): Step[] {
  const { sfi } = file.model;
  if (content.kind === "records") {
    return content.records.map((record, at) => updateRecord({ ...file, sfi }, at + 1, record, resume));
  }
  const block = (offset: number, length: number): Step =>
    updateBinary(
      offset === 0 ? { ...file, sfi } : file,
      offset,
      content.bytes.subarray(offset, offset + length),
      resume,
    );
  const most = mostData(channel.level);
  const { length } = content.bytes;
  // One block that fits is never dearer than two.
  const blocks =
    length <= most
      ? length === 0
        ? []
        : [{ offset: 0, length }]
      : cutBlocks({
          offset: 0,
          length,
          most,
          cost: (one) => stepCost(block(one.offset, one.length), channel, completedTiming).ms,
        });
  return blocks.map(({ offset, length: size }) => block(offset, size));
}

/** An EF's whole content as PROVE FILE sees it (docs/card-os.md 6). */
export function provenContent(ef: EfModel, content: Content): Uint8Array {
  if (content.kind === "bytes" && ef.type === "transparent") return filled(content.bytes, ef.size);
  // Unwritten records of a linear variable EF are left out; those of a cyclic EF are none yet.
  if (ef.type !== "linear-fixed") return new Uint8Array(0);
  const written = content.kind === "records" ? content.records : [];
  const records = Array.from(
    { length: ef.count },
    (_, at) => written[at] ?? filled(new Uint8Array(0), ef.record),
  );
  return concat(...records.flatMap((record) => [Uint8Array.of(ef.record), record]));
}

const secured: ChipStatus = { phase: 0x03, cardState: 0x0f };

export function personalPlan(product: Product): PersonalPlan {
  const { channel, completion } = product;
  const issued = keyInformation(channel.kvn);
  return {
    channel: {
      protocol: "scp03",
      keys: completion.initialKeys,
      kvn: completion.initialKvn,
      level: channel.level,
    },
    proofChannel: { protocol: "scp03", keys: channel.keys, kvn: channel.kvn, level: channel.level },
    dfs: dfPlans(product),
    ending: [
      activateFile(mfPlace, MF, activeProbe(mfPlace, dfFcp({ fid: MF }))),
      setStatus(0x0f, chipStatus(secured, "is the card secured?")),
      putKeySet(channel.keys, channel.kvn, completion.initialKvn),
    ],
    done: [issued],
    proofOpening: [
      ...(product.quality.chip.includes("card-state")
        ? [chipStatus(secured, "the card is completed and secured")]
        : []),
      ...(product.quality.chip.includes("key-version")
        ? [{ ...issued, why: "the issuer's keys are in the card" }]
        : []),
    ],
  };
}

/** One secure session from the files to the issuer's keys: nothing is left for a second one. */
export function personalization(
  product: Product,
  plan: PersonalPlan,
  contents: ReadonlyMap<string, Content>,
): CardProgram {
  const { channel } = plan;
  if (channel.protocol !== "scp03") throw new TypeError("personalization runs under SCP03");
  const steps = plan.dfs.flatMap((df) => [
    df.select,
    ...df.files.flatMap((file) => {
      const content = contents.get(file.model.name);
      return content === undefined || !file.personal ? [] : writeSteps(file, content, channel, "activated");
    }),
    ...df.closing,
  ]);
  const segment: Segment = {
    name: "personalize",
    channel,
    steps: [...steps, ...plan.ending],
    done: plan.done,
  };
  return { name: `${product.name}/personalization`, segments: [...drawing(product, plan), segment] };
}

/**
 * A PIN that the card draws comes first and in a session of its own: it is kept before the files are written, so that no card which is
 * finished has a PIN that nobody kept. A card with the issuer's keys has had its own.
 */
function drawing({ pin }: Product, { channel, dfs, done }: PersonalPlan): readonly Segment[] {
  const df = dfs.find(({ model }) => model.name === pin?.df);
  if (pin?.by.method !== "card" || df === undefined) return [];
  const steps = [df.select, drawPin(pin.name, pin.length, pin.tries)];
  return [{ name: "draw the PIN", channel, steps, done }];
}

/** What the chip shows of itself under the issuer's keys, as the product's `quality.chip` asks. */
export function proof(
  product: Product,
  plan: PersonalPlan,
  contents: ReadonlyMap<string, Content>,
): CardProgram {
  const { chip } = product.quality;
  const steps = plan.dfs.flatMap((df) => {
    const { keys } = df.model;
    const inside = [
      ...df.files
        .filter(({ model }) => chip.includes(model.name))
        .flatMap((file) => proofSteps(file, df, contents.get(file.model.name), product)),
      ...(keys !== undefined && chip.includes("access-key")
        ? [internalAuthenticate({ keys: keys.master, kid: keys.gate })]
        : []),
      ...(product.pin?.df === df.model.name && chip.includes("pin-state")
        ? [pinState(product.pin.tries)]
        : []),
    ];
    return inside.length === 0 ? [] : [df.select, ...inside];
  });
  const segment: Segment = {
    name: "prove the chip",
    channel: plan.proofChannel,
    steps: [...plan.proofOpening, ...steps],
  };
  return { name: `${product.name}/proof`, segments: [segment] };
}

function proofSteps(file: EfPlan, df: DfPlan, written: Content | undefined, product: Product): Step[] {
  const { model, place } = file;
  const content = written ?? file.common ?? { kind: "bytes", bytes: new Uint8Array(0) };
  const readable = model.access.read.every((one) => one === "always" || one === "perso");
  const { keys } = df.model;
  const empty = content.kind === "bytes" ? content.bytes.length === 0 : content.records.length === 0;
  if (readable && !empty) {
    if (content.kind === "records") {
      return content.records.map((record, at) => readRecord(model.sfi, at + 1, record, place.label));
    }
    return readBlocks(content.bytes.length, product.channel.level).map(([from, length]) =>
      readBinary(
        from === 0 ? model.sfi : undefined,
        from,
        content.bytes.subarray(from, from + length),
        place.label,
      ),
    );
  }
  if (keys === undefined) return [];
  return [
    proveFile(
      {
        proof: "file",
        keys: keys.master,
        kid: keys.proof,
        fid: model.fid,
        content: provenContent(model, content),
      },
      place.label,
    ),
  ];
}

/** As few answers as fit: a response may carry padding and a MAC beside its data. */
function readBlocks(length: number, level: number): [from: number, length: number][] {
  const most = (level & 0x20) !== 0 ? 239 : 247;
  const blocks: [number, number][] = [];
  for (let from = 0; from < length; from += most) blocks.push([from, Math.min(most, length - from)]);
  return blocks;
}

/** Page writes of CREATE FILE (docs/card-os.md 5). */
export const createPages = (ef: EfModel): number => 1 + Math.ceil(ef.size / pageSize);
