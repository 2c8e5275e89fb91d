import { CardProblem, concat, readUnsigned } from "../bytes/index.js";
import { encodeTlv, findTlv, parseTlv, type Tlv, tlv } from "../tlv/index.js";

/** Names and lengths of the CPLC's fields, in order (GPCS; Visa GP Card Implementation Requirements). */
const CPLC_FIELDS = {
  icFabricator: 2,
  icType: 2,
  osId: 2,
  osReleaseDate: 2,
  osReleaseLevel: 2,
  icFabDate: 2,
  icSerial: 4,
  icBatch: 2,
  icModuleFabricator: 2,
  icModulePackagingDate: 2,
  iccManufacturer: 2,
  icEmbeddingDate: 2,
  prePersonalizer: 2,
  prePersoEquipDate: 2,
  prePersoEquipId: 4,
  personalizer: 2,
  persoDate: 2,
  persoEquipId: 4,
} as const;
const CPLC_NAMES = Object.keys(CPLC_FIELDS) as readonly (keyof typeof CPLC_FIELDS)[];

/** Card production life cycle data, GET DATA 9F7F: 42 bytes. Values are views of the input. */
export type Cplc = Readonly<Record<keyof typeof CPLC_FIELDS, Uint8Array>>;

/** With its tag, or without as old cards answer. Throws CardProblem `bad-tlv`, `bad-response`. */
export function parseCplc(bytes: Uint8Array): Cplc {
  const value = bytes.length === 42 ? bytes : only(bytes, 0x9f7f).value;
  if (value.length !== 42)
    throw new CardProblem("bad-response", "CPLC", `it has 42 bytes, not ${value.length}`);
  let at = 0;
  const fields = CPLC_NAMES.map((name) => {
    const field = value.subarray(at, at + CPLC_FIELDS[name]);
    at += field.length;
    return [name, field] as const;
  });
  return Object.fromEntries(fields) as Cplc;
}

/** With its tag. Throws CardProblem `bad-value` when a field has a wrong length. */
export function encodeCplc(cplc: Cplc): Uint8Array {
  for (const name of CPLC_NAMES) {
    if (cplc[name].length !== CPLC_FIELDS[name]) {
      throw new CardProblem(
        "bad-value",
        `CPLC ${name}`,
        `it has ${CPLC_FIELDS[name]} bytes, not ${cplc[name].length}`,
      );
    }
  }
  return encodeTlv(tlv(0x9f7f, concat(...CPLC_NAMES.map((name) => cplc[name]))));
}

/** Year digit and day of the year of a CPLC date (Y DDD in decimal digits), or undefined when it is none. */
export function cplcDate(bytes: Uint8Array): { readonly year: number; readonly day: number } | undefined {
  const digits = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  if (!/^\d{4}$/.test(digits)) return undefined;
  const day = Number(digits.slice(1));
  return day >= 1 && day <= 366 ? { year: Number(digits.slice(0, 1)), day } : undefined;
}

/** One key of the key information template. Keys of several components (RSA) have several types. */
export interface KeyInformation {
  readonly id: number;
  readonly kvn: number;
  readonly components: readonly { readonly type: number; readonly length: number }[];
  /** Extended form only. */
  readonly usage?: Uint8Array;
  readonly access?: Uint8Array;
}

/** GET DATA E0, in one piece or several, basic and extended form (GPCS 11.3). Throws CardProblem `bad-tlv`, `bad-response`. */
export function parseKeyInformation(bytes: Uint8Array): KeyInformation[] {
  return parseTlv(bytes).flatMap((template) => {
    if (template.tag !== 0xe0)
      throw new CardProblem("bad-response", "key information", "a template is not E0");
    return (template.children ?? []).map((object) => {
      if (object.tag !== 0xc0)
        throw new CardProblem("bad-response", "key information", "an object is not C0");
      return keyInformation(object.value);
    });
  });
}

function keyInformation(value: Uint8Array): KeyInformation {
  const cut = () => new CardProblem("bad-response", "key information", "an entry is cut off");
  const byte = (at: number) => {
    const found = value[at];
    if (found === undefined) throw cut();
    return found;
  };
  const [id, kvn] = [byte(0), byte(1)];
  const components: { type: number; length: number }[] = [];
  let at = 2;
  if (value[2] !== 0xff) {
    for (; at < value.length; at += 2) components.push({ type: byte(at), length: byte(at + 1) });
    if (components.length === 0) throw cut();
    return { id, kvn, components };
  }
  for (; value[at] === 0xff; at += 4) {
    components.push({ type: byte(at + 1), length: (byte(at + 2) << 8) | byte(at + 3) });
  }
  const usage = value.subarray(at + 1, at + 1 + byte(at));
  at += 1 + byte(at);
  const access = value.subarray(at + 1, at + 1 + byte(at));
  if (at + 1 + byte(at) !== value.length) throw cut();
  return { id, kvn, components, usage, access };
}

/** GET DATA 66, card recognition data (GPCS H.2). Object identifiers in dotted decimals. */
export interface CardData {
  readonly gpVersion?: string;
  readonly scps: readonly { readonly scp: number; readonly i: number }[];
  readonly identificationOid?: string;
  readonly configurationOid?: string;
  readonly chipOid?: string;
}

const GP = [1, 2, 840, 114283];

/** Throws CardProblem `bad-tlv`, `bad-response`. */
export function parseCardData(bytes: Uint8Array): CardData {
  const objects = findTlv([only(bytes, 0x66)], 0x66, 0x73)?.children;
  if (objects === undefined) throw new CardProblem("bad-response", "card data", "template 73 is missing");
  const oid = (tag: number) => arcsIn(objects.find((object) => object.tag === tag));
  const version = oid(0x60);
  const identification = oid(0x63);
  const configuration = oid(0x65);
  const chip = oid(0x66);
  const scps = objects
    .filter(({ tag }) => tag === 0x64)
    .map((object) => {
      const arcs = arcsIn(object) ?? [];
      const [family, scp, i] = arcs.slice(GP.length);
      if (family !== 4 || scp === undefined || i === undefined || arcs.length !== GP.length + 3) {
        throw new CardProblem("bad-response", "card data", "an SCP identifier is not 1.2.840.114283.4.scp.i");
      }
      return { scp, i };
    });
  return {
    ...(version === undefined ? {} : { gpVersion: version.slice(GP.length + 1).join(".") }),
    scps,
    ...(identification === undefined ? {} : { identificationOid: identification.join(".") }),
    ...(configuration === undefined ? {} : { configurationOid: configuration.join(".") }),
    ...(chip === undefined ? {} : { chipOid: chip.join(".") }),
  };
}

function arcsIn(object: Tlv | undefined): number[] | undefined {
  const oid = findTlv(object?.children ?? [], 0x06);
  return oid === undefined ? undefined : parseOid(oid.value);
}

/** Arcs of an object identifier (ITU-T X.690, 8.19). Throws CardProblem `bad-tlv`. */
export function parseOid(value: Uint8Array): number[] {
  const problem = (hint: string) => new CardProblem("bad-tlv", "object identifier", hint);
  const arcs: number[] = [];
  let arc = 0;
  let open = true;
  for (const byte of value) {
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc)) throw problem("an arc is too large");
    open = (byte & 0x80) !== 0;
    if (open) continue;
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(arc / 40));
      arcs.push(first, arc - 40 * first);
    } else {
      arcs.push(arc);
    }
    arc = 0;
  }
  if (open) throw problem("it is cut off");
  return arcs;
}

/** GET DATA FF21, extended card resources (GPCS 11.3; ETSI TS 102 226, 8.2.1.7.2): sizes in bytes. */
export interface CardResources {
  readonly applications: number;
  readonly freeNonVolatile: number;
  readonly freeVolatile: number;
}

/** Throws CardProblem `bad-tlv`, `bad-response`. */
export function parseCardResources(bytes: Uint8Array): CardResources {
  const objects = only(bytes, 0xff21).children ?? [];
  const number = (tag: number) => {
    const object = findTlv(objects, tag);
    if (object === undefined || object.value.length > 6) {
      throw new CardProblem(
        "bad-response",
        "card resources",
        `object ${tag.toString(16)} is missing or too long`,
      );
    }
    return readUnsigned(object.value);
  };
  return { applications: number(0x81), freeNonVolatile: number(0x82), freeVolatile: number(0x83) };
}

function only(bytes: Uint8Array, tag: number): Tlv {
  const [object, ...more] = parseTlv(bytes);
  if (object === undefined || object.tag !== tag || more.length > 0) {
    throw new CardProblem(
      "bad-response",
      "GET DATA",
      `the answer is not one object ${tag.toString(16).toUpperCase()}`,
    );
  }
  return object;
}
