import { unhex } from "@persoline/card/bytes";
import type { KeyRef } from "@persoline/card/program";
import type { SecurityLevels } from "../orders/security.js";
import type { ColumnRule } from "../orders/types.js";
import type { ValueForm } from "./content.js";
import type { ProductFile } from "./product-schema.js";
import { type PinOrigin, pinOrigin } from "./pin-origin.js";

export type Level = 0x01 | 0x03 | 0x11 | 0x13 | 0x33;
export type Condition = "always" | "never" | "perso" | "pin" | "gate";

/** Who may do what with an EF once it is active; the conditions of one act must all hold. */
export interface Access {
  readonly read: readonly Condition[];
  readonly update: readonly Condition[];
  readonly append?: readonly Condition[];
}

export interface EfModel {
  readonly name: string;
  readonly fid: number;
  readonly sfi: number;
  readonly type: "transparent" | "linear-fixed" | "linear-variable" | "cyclic";
  /** Bytes of the body. */
  readonly size: number;
  /** Bytes of an EF record, and how many there are; 0 for a transparent EF. */
  readonly record: number;
  readonly count: number;
  readonly access: Access;
  readonly content?: ContentModel;
}

export type ContentModel =
  | { readonly kind: "tlv"; readonly objects: readonly (readonly [tag: string, form: ValueForm])[] }
  | { readonly kind: "value"; readonly form: ValueForm }
  | { readonly kind: "list"; readonly field: string }
  | { readonly kind: "records"; readonly forms: readonly ValueForm[] };

export interface DfModel {
  readonly name: string;
  /** Undefined: the MF. */
  readonly aid?: Uint8Array;
  readonly fid: number;
  readonly keys?: {
    readonly master: KeyRef;
    readonly gate: number;
    readonly proof: number;
    readonly kvn: number;
  };
  readonly files: readonly EfModel[];
}

/** Which fields the access register takes from a record when its card is delivered. */
export interface RegisterFields {
  readonly name: string;
  readonly zones: string;
  readonly department?: string;
  readonly validFrom?: string;
  readonly validUntil?: string;
}

/** A product file, read, checked and in the words of the card. */
export interface Product {
  readonly kind: "persoline-os";
  readonly name: string;
  readonly atr: { readonly blank: Uint8Array; readonly completed: Uint8Array };
  readonly rom: { readonly major: number; readonly minor: number; readonly checksum: Uint8Array };
  readonly completion: {
    readonly image: string;
    readonly loaderKey: KeyRef;
    readonly initialKeys: KeyRef;
    readonly initialKvn: number;
  };
  readonly channel: { readonly level: Level; readonly keys: KeyRef; readonly kvn: number };
  readonly cardNumber: string;
  /** Image 2.0 and later: transparent EFs are made with their data coding byte, so that erased bytes are FF. */
  readonly coded: boolean;
  /** The MF comes first when it has EFs of its own. */
  readonly dfs: readonly DfModel[];
  readonly columns: readonly ColumnRule[];
  /** "none": cards that open no gates; absent: the product does not say. */
  readonly register?: RegisterFields | "none";
  readonly pin?: {
    readonly name: string;
    readonly df: string;
    readonly length: number;
    readonly tries: number;
    readonly letter: boolean;
    readonly by: PinOrigin;
  };
  /** The least protection of keys and secrets that these cards need. */
  readonly security?: SecurityLevels;
  /** Layout files, relative to the product file; read by `plan/layout`. */
  readonly visual?: { readonly front: string; readonly back: string; readonly emboss?: string };
  /** Template of its carriers, relative to the product file. */
  readonly carrier?: string;
  readonly quality: { readonly camera: readonly string[]; readonly chip: readonly string[] };
}

const number = (hexText: string): number => Number.parseInt(hexText, 16);
const levels: Readonly<Record<ProductFile["channel"]["level"], Level>> = {
  "03": 0x03,
  "13": 0x13,
  "33": 0x33,
};

/** The checked file in the words of the card. */
export function productModel(file: ProductFile): Product {
  const [major = "0", minor = "0"] = file.card.rom.version.split(".");
  const dfs = dfModels(file);
  const { pin, register, visual, carrier, security } = file;
  return {
    kind: "persoline-os",
    name: file.product,
    atr: { blank: unhex(file.card.atr.blank), completed: unhex(file.card.atr.completed) },
    rom: { major: Number(major), minor: Number(minor), checksum: unhex(file.card.rom.checksum) },
    completion: {
      image: file.completion.image,
      loaderKey: file.completion.key as KeyRef,
      initialKeys: file.completion["initial-keys"] as KeyRef,
      initialKvn: number(file.completion["initial-version"]),
    },
    channel: {
      level: levels[file.channel.level],
      keys: file.channel.keys as KeyRef,
      kvn: number(file.channel.version),
    },
    cardNumber: file["card-number"],
    // The completed card says its version at the end of its historical bytes.
    coded: (unhex(file.card.atr.completed).at(-3) ?? 0) >= 2,
    dfs,
    columns: Object.entries(file.person).map(([field, rules]) => columnRule(field, rules)),
    ...(register === undefined ? {} : { register: registerFields(register) }),
    ...(pin === undefined
      ? {}
      : {
          pin: {
            name: "pin",
            df: pin.df ?? dfs.find(({ aid }) => aid !== undefined)?.name ?? "",
            length: pin.length,
            tries: pin.tries,
            letter: pin.letter,
            by: pinOrigin(pin),
          },
        }),
    ...(security === undefined ? {} : { security }),
    ...(visual === undefined
      ? {}
      : {
          visual: {
            front: visual.front,
            back: visual.back,
            ...(visual.emboss === undefined ? {} : { emboss: visual.emboss }),
          },
        }),
    ...(carrier === undefined ? {} : { carrier }),
    quality: file.quality,
  };
}

export function registerFields(file: NonNullable<ProductFile["register"]>): RegisterFields | "none" {
  if (file === "none") return file;
  const { name, zones, department, "valid-from": validFrom, "valid-until": validUntil } = file;
  return {
    name,
    zones,
    ...(department === undefined ? {} : { department }),
    ...(validFrom === undefined ? {} : { validFrom }),
    ...(validUntil === undefined ? {} : { validUntil }),
  };
}

export function columnRule(field: string, rules: ProductFile["person"][string]): ColumnRule {
  const { max, list, from, unique, type, pattern } = rules;
  return {
    field,
    column: rules.column,
    required: rules.required,
    ...(max === undefined ? {} : { max }),
    ...(list === undefined ? {} : { list }),
    ...(from === undefined ? {} : { from }),
    ...(unique === undefined ? {} : { unique }),
    ...(type === undefined ? {} : { type }),
    ...(pattern === undefined ? {} : { pattern }),
  };
}

/** DF identifiers that a product file leaves out: 7F10, 7F11, ... */
const MF = 0x3f00;
const defaultFid = (index: number): number => 0x7f10 + index;

function dfModels(file: ProductFile): DfModel[] {
  const dfs: (Omit<DfModel, "files"> & { files: EfModel[] })[] = [];
  for (const entry of file.files) {
    if ("df" in entry) {
      dfs.push({
        name: entry.name,
        aid: unhex(entry.df),
        fid:
          entry.fid === undefined
            ? defaultFid(dfs.filter(({ aid }) => aid !== undefined).length)
            : number(entry.fid),
        ...(entry.keys === undefined
          ? {}
          : {
              keys: {
                master: entry.keys as KeyRef,
                gate: number(entry.gate),
                proof: number(entry.proof),
                kvn: number(entry.version),
              },
            }),
        files: [],
      });
    } else {
      const written = file.write[entry.ef];
      if (dfs.length === 0) dfs.push({ name: "mf", fid: MF, files: [] });
      const [record, count] = "record" in entry ? [entry.record, entry.count] : [0, 0];
      dfs.at(-1)?.files.push({
        name: entry.ef,
        fid: number(entry.fid),
        sfi: entry.sfi,
        type: entry.type,
        size: "size" in entry ? entry.size : record * count,
        record,
        count,
        access: accessOf(entry),
        ...(written === undefined ? {} : { content: contentModel(written) }),
      });
    }
  }
  return dfs;
}

export const accessOf = (entry: {
  readonly read: string;
  readonly update: string;
  readonly append?: string | undefined;
}): Access => ({
  read: conditions(entry.read),
  update: conditions(entry.update),
  ...(entry.append === undefined ? {} : { append: conditions(entry.append) }),
});

/** "perso and auth(gate)" → ["perso", "gate"]. */
const conditions = (rule: string): Condition[] =>
  rule.split(" and ").map((one) => (one.startsWith("auth(") ? "gate" : (one as Condition)));

export function contentModel(written: ProductFile["write"][string]): ContentModel {
  if ("tlv" in written) {
    const objects = Object.entries(written.tlv).map(([tag, form]) => [tag.toUpperCase(), form] as const);
    return { kind: "tlv", objects: objects.toSorted(([a], [b]) => (a < b ? -1 : 1)) };
  }
  if ("value" in written) return { kind: "value", form: written.value };
  if (typeof written.records === "string") {
    return { kind: "list", field: written.records.slice(1, -1) };
  }
  return { kind: "records", forms: written.records };
}
