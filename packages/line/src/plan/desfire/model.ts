import { unhex } from "@persoline/card/bytes";
import { type FileSpec, keySettings, type Right } from "@persoline/card/desfire";
import type { DesfireInput, DesfireKey, KeyRef, SecureChannelSpec } from "@persoline/card/program";
import type { ColumnRule } from "../../orders/types.js";
import {
  type ContentModel,
  columnRule,
  contentModel,
  type Product,
  type RegisterFields,
  registerFields,
} from "../product-model.js";
import type { DesfireFileEntry, DesfireProductFile } from "./schema.js";

export type DesfireChannel = Extract<SecureChannelSpec, { protocol: "desfire" }>;

export interface DesfireFile {
  readonly name: string;
  readonly spec: FileSpec;
  readonly content?: ContentModel;
}

export interface DesfireApplication {
  readonly name: string;
  readonly aid: number;
  /** Master of its keys 0 to `count` − 1. */
  readonly key: DesfireKey;
  readonly count: number;
  /** Key settings as the issued card has them. */
  readonly settings: number;
  readonly files: readonly DesfireFile[];
}

/** A product file of DESFire-style cards, in the words of the card. */
export interface DesfireProduct
  extends Pick<Product, "name" | "atr" | "cardNumber" | "visual" | "carrier" | "quality" | "security"> {
  readonly kind: "desfire";
  readonly register: RegisterFields | "none";
  /** What a gate uses, files by their names; there when there is a register. */
  readonly gate?: {
    readonly application: string;
    readonly key: number;
    readonly zones?: string;
    readonly holder?: string;
    readonly number?: string;
  };
  readonly hardware: Uint8Array;
  readonly freeMemory: number;
  readonly version: DesfireChannel["version"];
  readonly initial: DesfireKey | "default";
  readonly initialVersion: number;
  /** Version of all keys of the issuer: it tells which generation a card has. */
  readonly generation: number;
  readonly picc: {
    readonly key: DesfireKey;
    readonly settings: number;
    readonly randomUid: boolean;
    readonly noFormat: boolean;
  };
  readonly applications: readonly DesfireApplication[];
  readonly columns: readonly ColumnRule[];
}

/** Key settings of a fresh card and of an application while it is being filled: everything is free, key 0 changes keys. */
export const OPEN_SETTINGS = 0x0f;
export const MASTER_CHANGEABLE = 0x01;
export const FREE_DIRECTORY = 0x02;

const number = (text: string): number => Number.parseInt(text, 16);

function keyOf({
  keys,
  input,
}: Pick<DesfireProductFile["picc"], "keys"> & {
  readonly input?: readonly string[] | undefined;
}): DesfireKey {
  const name = keys as KeyRef;
  return input === undefined ? { keys: name } : { keys: name, input: inputOf(input) };
}

export const inputOf = (input: readonly string[]): DesfireInput =>
  input.map((one) => (one === "uid" || one === "aid" || one === "key" ? one : unhex(one)));

function settingsOf(
  file: DesfireProductFile["picc"]["settings"],
  changeKeys: number | "same" | "frozen" = 0,
): number {
  return keySettings({
    changeKeys,
    masterKeyChangeable: file["master-key-changeable"],
    freeDirectory: file["free-directory"],
    freeCreateDelete: file["free-create"],
    changeable: file.changeable,
  });
}

export function desfireProductModel(file: DesfireProductFile): DesfireProduct {
  const atr = unhex(file.card.atr);
  const { initial, picc, visual, carrier, security, gate } = file;
  return {
    kind: "desfire",
    register: registerFields(file.register ?? "none"),
    ...(gate === undefined ? {} : { gate: gateOf(gate) }),
    name: file.product,
    // Nothing is completed: the reader makes up the same ATR all the card's life.
    atr: { blank: atr, completed: atr },
    cardNumber: file["card-number"],
    hardware: unhex(file.card.hardware),
    freeMemory: file.card.memory,
    version: file.session,
    initial: initial === undefined ? "default" : keyOf(initial),
    initialVersion: initial === undefined ? 0 : number(initial.version),
    generation: number(file.generation),
    picc: {
      key: keyOf(picc),
      settings: settingsOf(picc.settings),
      randomUid: picc["random-uid"],
      noFormat: picc["no-format"],
    },
    applications: file.applications.map((one) => ({
      name: one.name,
      aid: number(one.aid),
      key: keyOf(one.keys),
      count: one.keys.count,
      settings: settingsOf(one.settings, one.settings["change-keys"]),
      files: one.files.map(fileOf),
    })),
    columns: Object.entries(file.person).map(([field, rules]) => columnRule(field, rules)),
    quality: { camera: file.quality.camera, chip: [] },
    ...(security === undefined ? {} : { security }),
    ...(carrier === undefined ? {} : { carrier }),
    ...(visual === undefined
      ? {}
      : {
          visual: {
            front: visual.front,
            back: visual.back,
            ...(visual.emboss === undefined ? {} : { emboss: visual.emboss }),
          },
        }),
  };
}

const gateOf = ({
  application,
  key,
  zones,
  holder,
  number: numbered,
}: NonNullable<DesfireProductFile["gate"]>): NonNullable<DesfireProduct["gate"]> => ({
  application,
  key,
  ...(zones === undefined ? {} : { zones }),
  ...(holder === undefined ? {} : { holder }),
  ...(numbered === undefined ? {} : { number: numbered }),
});

function fileOf(one: DesfireFileEntry): DesfireFile {
  const { read, write, change, "read-write": readWrite } = one.rights;
  const rights: Record<"read" | "write" | "readWrite" | "change", Right> = { read, write, readWrite, change };
  const common = { file: one.file, comm: one.mode, rights };
  if (one.type === "value") {
    const { lower, upper, value } = one;
    return { name: one.name, spec: { ...common, kind: "value", lower, upper, value, limitedCredit: false } };
  }
  const spec: FileSpec =
    "size" in one
      ? { ...common, kind: one.type, size: one.size }
      : { ...common, kind: one.type, recordSize: one.record, records: one.count };
  return {
    name: one.name,
    spec,
    ...(one.content === undefined ? {} : { content: contentModel(one.content) }),
  };
}
