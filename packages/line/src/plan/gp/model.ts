import { concat, unhex } from "@persoline/card/bytes";
import { encodeTlv, parseTlv, tlv } from "@persoline/card/tlv";
import type { Privilege } from "@persoline/card/globalplatform";
import {
  type KeyForm,
  type KeyRef,
  type Scp11ChannelSpec,
  type SecureChannelSpec,
  scp11Kids,
} from "@persoline/card/program";
import type { ColumnRule } from "../../orders/types.js";
import type { ValueForm } from "../content.js";
import {
  type ContentModel,
  columnRule,
  contentModel,
  type Product,
  type RegisterFields,
  registerFields,
} from "../product-model.js";
import { type PaymentModel, paymentModel } from "./payment/model.js";
import type { GpProductFile } from "./schema.js";
import { type PinOrigin, pinOrigin } from "../pin-origin.js";

/** By keys that both sides have: an issuer's. */
export type GpKeyChannel = Extract<SecureChannelSpec, { protocol: "scp02" | "scp03" }>;
export type GpChannel = GpKeyChannel | Scp11ChannelSpec;

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
  readonly register: RegisterFields | "none";
  /** What a gate uses; there when there is a register. */
  readonly gate?: {
    readonly application: string;
    readonly kid: number;
    readonly zones?: number;
    readonly holder?: number;
  };
  readonly isd: Uint8Array;
  readonly initial: GpChannel;
  /** What its keys are, or the session keys that are agreed upon. */
  readonly initialForm: KeyForm;
  /** How the card tells its keys in the key information template: those it comes with, and what stays of them beside the issuer's. */
  readonly initialKeys: Uint8Array;
  readonly stayingKeys: Uint8Array;
  readonly channel: GpKeyChannel;
  readonly form: KeyForm;
  /** The access applet's PIN (grouping 8281). */
  readonly pin?: {
    readonly name: string;
    readonly application: string;
    readonly length: number;
    readonly tries: number;
    readonly letter: boolean;
    readonly by: PinOrigin;
  };
  readonly issuer: { readonly identification?: ValueForm; readonly cardImage?: ValueForm };
  readonly applications: readonly GpApplication[];
  /** Both faces or none: raised characters may be all. */
  readonly visual?: { readonly front?: string; readonly back?: string; readonly emboss?: string };
  /** Template of its carriers, relative to the product file. */
  readonly carrier?: string;
  readonly columns: readonly ColumnRule[];
}

type KeyChannelFile = GpProductFile["channel"] | Exclude<GpProductFile["initial"], { protocol: "scp11" }>;
type Scp11File = Extract<GpProductFile["initial"], { protocol: "scp11" }>;
type ChannelFile = KeyChannelFile | Scp11File;
const number = (text: string): number => Number.parseInt(text, 16);
export const DEFAULT_ISD = "A000000151000000";

const isdOf = (file: ChannelFile): Uint8Array => unhex(file.isd ?? DEFAULT_ISD);
const formOf = (file: ChannelFile): KeyForm => (file.protocol === "scp02" ? "3des" : file.algorithm);

const TYPES: Readonly<Record<KeyForm, readonly [type: number, length: number]>> = {
  "3des": [0x80, 16],
  "aes-128": [0x88, 16],
  "aes-192": [0x88, 24],
  "aes-256": [0x88, 32],
};
const entry = (...bytes: readonly number[]): Uint8Array => encodeTlv(tlv(0xc0, Uint8Array.from(bytes)));

/** Entries of a key set in the key information template: identifier, version, type, length of three keys. */
export const setEntries = (kvn: number, form: KeyForm): Uint8Array =>
  concat(...[1, 2, 3].map((kid) => entry(kid, kvn, ...TYPES[form])));

/** A key pair as B1 (private key) and F0 (its parameters), and an authority as B0 (point) and F0. */
function initialKeysOf(file: GpProductFile["initial"]): { all: Uint8Array; staying: Uint8Array } {
  if (file.protocol !== "scp11")
    return { all: setEntries(number(file.version), formOf(file)), staying: new Uint8Array(0) };
  const pair = entry(scp11Kids[file.variant], number(file.version), 0xb1, 0x20, 0xf0, 0x01);
  const authorityKvn = number(file.host.authority);
  const authority = entry(scp11Kids.authority, authorityKvn, 0xb0, 0x41, 0xf0, 0x01);
  const told = file["key-information"];
  if (told === undefined) return { all: concat(pair, authority), staying: pair };
  const all = unhex(told);
  const staying = parseTlv(all).filter(
    ({ value }) => value[0] !== scp11Kids.authority || value[1] !== authorityKvn,
  );
  return { all, staying: encodeTlv(staying) };
}

const keyLengths = { "aes-128": 16, "aes-192": 24, "aes-256": 32 } as const;

function agreedChannel(file: Scp11File): Scp11ChannelSpec {
  const { variant, authority, subject, host } = file;
  return {
    protocol: "scp11",
    variant,
    kvn: number(file.version),
    level: 0x33,
    keyLength: keyLengths[file.algorithm],
    authority: authority.key as KeyRef,
    ...(authority.name === undefined ? {} : { authorityName: unhex(authority.name) }),
    subject,
    host: {
      keys: host.key as KeyRef,
      certificates: host.certificates.map((text) => unhex(text)),
      authorityKvn: number(host.authority),
    },
    isd: isdOf(file),
  };
}

/** The file's two-digit texts are those that the channel knows: the schema lets no others through. */
function channelOf(file: KeyChannelFile): GpKeyChannel {
  const common = { keys: file.keys as KeyRef, kvn: number(file.version), isd: isdOf(file) };
  if (file.protocol === "scp02") {
    type Scp02 = Extract<GpKeyChannel, { protocol: "scp02" }>;
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
    level: number(file.level) as Extract<GpKeyChannel, { protocol: "scp03" }>["level"],
    diversify: file.diversify,
  };
}

export function gpProductModel(file: GpProductFile): GpProduct {
  const atr = unhex(file.card.atr);
  const initialKeys = initialKeysOf(file.initial);
  const { identification, "card-image": cardImage } = file.issuer;
  const { visual, carrier, security, gate, pin } = file;
  return {
    kind: "globalplatform",
    register: registerFields(file.register ?? "none"),
    ...(gate === undefined ? {} : { gate: gateOf(gate) }),
    name: file.product,
    // Nothing is completed: the card answers the same all its life.
    atr: { blank: atr, completed: atr },
    cardNumber: file["card-number"],
    isd: isdOf(file.initial),
    initial: file.initial.protocol === "scp11" ? agreedChannel(file.initial) : channelOf(file.initial),
    initialForm: formOf(file.initial),
    initialKeys: initialKeys.all,
    stayingKeys: initialKeys.staying,
    channel: channelOf(file.channel),
    form: formOf(file.channel),
    issuer: {
      ...(identification === undefined ? {} : { identification }),
      ...(cardImage === undefined ? {} : { cardImage }),
    },
    applications: file.applications.map(applicationOf),
    columns: Object.entries(file.person).map(([field, rules]) => columnRule(field, rules)),
    quality: { camera: file.quality.camera, chip: [] },
    ...(pin === undefined ? {} : { pin: pinOf(pin) }),
    ...(security === undefined ? {} : { security }),
    ...(carrier === undefined ? {} : { carrier }),
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

const pinOf = (pin: NonNullable<GpProductFile["pin"]>): NonNullable<GpProduct["pin"]> => {
  const { application, length, tries, letter } = pin;
  return { name: "pin", application, length, tries, letter, by: pinOrigin(pin) };
};

const gateOf = ({
  application,
  key,
  zones,
  holder,
}: NonNullable<GpProductFile["gate"]>): NonNullable<GpProduct["gate"]> => ({
  application,
  kid: number(key),
  ...(zones === undefined ? {} : { zones: number(zones) }),
  ...(holder === undefined ? {} : { holder: number(holder) }),
});

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
