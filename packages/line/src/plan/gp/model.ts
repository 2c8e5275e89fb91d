import { unhex } from "@persoline/card/bytes";
import type { Privilege } from "@persoline/card/globalplatform";
import type { KeyForm, KeyRef, SecureChannelSpec } from "@persoline/card/program";
import type { ColumnRule } from "../../orders/types.js";
import type { ValueForm } from "../content.js";
import { type ContentModel, columnRule, contentModel, type Product } from "../product-model.js";
import { type PaymentModel, paymentModel } from "./payment/model.js";
import type { GpProductFile } from "./schema.js";

export type GpChannel = Extract<SecureChannelSpec, { protocol: "scp02" | "scp03" }>;

export interface GpApplication {
  readonly name: string;
  /** Relative to the product file. */
  readonly load?: string;
  readonly package: Uint8Array;
  readonly module: Uint8Array;
  readonly aid: Uint8Array;
  readonly privileges: readonly Privilege[];
  readonly memory?: number;
  readonly parameters: Uint8Array;
  /** By identifier, ascending; TLV or one value. */
  readonly data: readonly { readonly id: number; readonly content: ContentModel }[];
  readonly read: readonly number[];
  readonly keys?: { readonly master: KeyRef; readonly ids: readonly number[] };
  /** What comes from an issuer's file, in the order that it is sent. */
  readonly issuer: readonly IssuerGrouping[];
  readonly payment?: PaymentModel;
  /** It names the product's payment application. */
  readonly directory?: "contact" | "contactless";
}

export interface IssuerGrouping {
  readonly id: number;
  /** In clear, without padding. */
  readonly bytes: number;
  readonly secret: boolean;
  readonly pad: boolean;
}

/** A product file of GlobalPlatform cards, in the words of the card. */
export interface GpProduct extends Pick<Product, "name" | "atr" | "cardNumber" | "quality" | "security"> {
  readonly kind: "globalplatform";
  /** Gates know files of the Persoline OS, not these applications. */
  readonly register: "none";
  readonly isd: Uint8Array;
  readonly initial: GpChannel;
  readonly initialForm: KeyForm;
  readonly channel: GpChannel;
  readonly form: KeyForm;
  readonly issuer: { readonly identification?: ValueForm; readonly cardImage?: ValueForm };
  readonly applications: readonly GpApplication[];
  /** Both faces or none: raised characters may be all. */
  readonly visual?: { readonly front?: string; readonly back?: string; readonly emboss?: string };
  readonly columns: readonly ColumnRule[];
}

type ChannelFile = GpProductFile["channel"] | GpProductFile["initial"];
const number = (text: string): number => Number.parseInt(text, 16);
export const DEFAULT_ISD = "A000000151000000";

const isdOf = (file: ChannelFile): Uint8Array => unhex(file.isd ?? DEFAULT_ISD);
const formOf = (file: ChannelFile): KeyForm => (file.protocol === "scp02" ? "3des" : file.algorithm);

/** The file's two-digit texts are those that the channel knows: the schema lets no others through. */
function channelOf(file: ChannelFile): GpChannel {
  const common = { keys: file.keys as KeyRef, kvn: number(file.version), isd: isdOf(file) };
  if (file.protocol === "scp02") {
    type Scp02 = Extract<GpChannel, { protocol: "scp02" }>;
    return {
      protocol: "scp02",
      ...common,
      i: number(file.i) as Scp02["i"],
      level: number(file.level) as Scp02["level"],
      diversify: file.diversify,
    };
  }
  return {
    protocol: "scp03",
    ...common,
    i: number(file.i),
    level: number(file.level) as Extract<GpChannel, { protocol: "scp03" }>["level"],
    diversify: file.diversify,
  };
}

export function gpProductModel(file: GpProductFile): GpProduct {
  const atr = unhex(file.card.atr);
  const { identification, "card-image": cardImage } = file.issuer;
  const { visual, security } = file;
  return {
    kind: "globalplatform",
    register: "none",
    name: file.product,
    // Nothing is completed: the card answers the same all its life.
    atr: { blank: atr, completed: atr },
    cardNumber: file["card-number"],
    isd: isdOf(file.initial),
    initial: channelOf(file.initial),
    initialForm: formOf(file.initial),
    channel: channelOf(file.channel),
    form: formOf(file.channel),
    issuer: {
      ...(identification === undefined ? {} : { identification }),
      ...(cardImage === undefined ? {} : { cardImage }),
    },
    applications: file.applications.map(applicationOf),
    columns: Object.entries(file.person).map(([field, rules]) => columnRule(field, rules)),
    quality: { camera: file.quality.camera, chip: [] },
    ...(security === undefined ? {} : { security }),
    ...(visual === undefined
      ? {}
      : {
          visual: {
            ...(visual.front === undefined ? {} : { front: visual.front }),
            ...(visual.back === undefined ? {} : { back: visual.back }),
            ...(visual.emboss === undefined ? {} : { emboss: visual.emboss }),
          },
        }),
  };
}

function applicationOf(one: GpProductFile["applications"][number]): GpApplication {
  const { load, memory, keys, payment, directory } = one;
  const aid = unhex(one.aid);
  return {
    name: one.name,
    package: unhex(one.package),
    module: unhex(one.module),
    aid,
    privileges: one.privileges,
    parameters: unhex(one.parameters ?? ""),
    data: Object.entries(one.data)
      .map(([id, written]) => ({ id: number(id), content: contentModel(written) }))
      .toSorted((a, b) => a.id - b.id),
    read: one.read.map(number),
    issuer: Object.entries(one.issuer)
      .map(([id, form]) => ({ id: number(id), ...form }))
      .toSorted((a, b) => a.id - b.id),
    ...(load === undefined ? {} : { load }),
    ...(memory === undefined ? {} : { memory }),
    ...(keys === undefined ? {} : { keys: { master: keys.master as KeyRef, ids: keys.ids.map(number) } }),
    ...(payment === undefined ? {} : { payment: paymentModel(payment, aid) }),
    ...(directory === undefined ? {} : { directory }),
  };
}
