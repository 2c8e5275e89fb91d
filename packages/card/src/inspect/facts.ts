import { describeSw } from "../apdu/index.js";
import { CardProblem, hex } from "../bytes/index.js";
import {
  cplcDate,
  getCardData,
  parseCardData,
  parseCplc,
  parseKeyInformation,
} from "../globalplatform/index.js";
import { parseTlv } from "../tlv/index.js";
import type { Ask } from "./ask.js";
import type { Fact } from "./types.js";

const byte = (n: number): string => n.toString(16).toUpperCase().padStart(2, "0");

/** What GET DATA tells on GlobalPlatform cards (GPCS 11.3) and on our own chip (docs/card-os.md 2). */
const questions: readonly {
  readonly what: string;
  readonly tag: number;
  readonly told: (data: Uint8Array) => string;
}[] = [
  { what: "chip number", tag: 0x00cf, told: (data) => hex(value(data)) },
  { what: "chip status", tag: 0xdf01, told: statusText },
  { what: "production life cycle (CPLC)", tag: 0x9f7f, told: cplcText },
  { what: "issuer identification number", tag: 0x0042, told: (data) => hex(value(data)) },
  { what: "card image number", tag: 0x0045, told: (data) => hex(value(data)) },
  { what: "keys", tag: 0x00e0, told: keysText },
  { what: "card data", tag: 0x0066, told: cardDataText },
  {
    what: "secure channel counter",
    tag: 0x00c1,
    told: (data) => String(Number.parseInt(hex(value(data)), 16)),
  },
];

/** Every question is asked once; with CLA 80 first, as loaders and security domains expect it, then with 00. */
export async function learnFacts(ask: Ask, facts: Fact[]): Promise<void> {
  for (const { what, tag, told } of questions) {
    let answer = await ask(getCardData(tag));
    if (answer.sw === 0x6e00 || answer.sw === 0x6d00) answer = await ask({ ...getCardData(tag), cla: 0x00 });
    if (answer.sw !== 0x9000) {
      facts.push({ what, value: `not answered (${describeSw(answer.sw)})`, state: "refused" });
      continue;
    }
    try {
      facts.push({ what, value: told(answer.data), state: "told" });
    } catch (thrown) {
      if (!(thrown instanceof CardProblem)) throw thrown;
      const length = String(answer.data.length);
      facts.push({ what, value: `${length} bytes, ${thrown.message}`, state: "not understood" });
    }
  }
}

/** The value of the one object that an answer is. Throws CardProblem `bad-tlv`, `bad-response`. */
function value(data: Uint8Array): Uint8Array {
  const [object, ...more] = parseTlv(data);
  if (object === undefined || more.length > 0 || object.value.length === 0 || object.value.length > 32)
    throw new CardProblem("bad-response", "GET DATA", "the answer is not one short object");
  return object.value;
}

function keysText(data: Uint8Array): string {
  const names: Readonly<Record<number, string>> = {
    0x80: "DES",
    0x82: "3DES",
    0x88: "AES",
    0xa1: "RSA",
    0xb0: "elliptic public key",
    0xb1: "elliptic private key",
    0xf0: "curve parameter",
  };
  const keys = parseKeyInformation(data);
  const shown = keys.slice(0, 16).map(({ id, kvn, components }) => {
    const parts = components.slice(0, 8).map(({ type, length }) => {
      const bits = `${String(length * 8)} bits`;
      return `${names[type] ?? `type ${byte(type)}`} ${bits}`;
    });
    return `version ${byte(kvn)} identifier ${byte(id)}: ${parts.join(", ")}`;
  });
  if (keys.length > shown.length) shown.push(`and ${String(keys.length - shown.length)} more`);
  return shown.join("; ");
}

function cardDataText(data: Uint8Array): string {
  const { gpVersion, scps, chipOid } = parseCardData(data);
  return [
    ...(gpVersion === undefined ? [] : [`GlobalPlatform ${gpVersion}`]),
    ...scps.slice(0, 8).map((one) => `SCP${byte(one.scp)} i=${byte(one.i)}`),
    ...(chipOid === undefined ? [] : [`chip ${chipOid.slice(0, 100)}`]),
  ].join(", ");
}

function cplcText(data: Uint8Array): string {
  const cplc = parseCplc(data);
  const dated = (field: Uint8Array): string => {
    const date = cplcDate(field);
    return date === undefined ? "" : ` (day ${String(date.day)} of a year …${String(date.year)})`;
  };
  return [
    `fabricator ${hex(cplc.icFabricator)}`,
    `chip type ${hex(cplc.icType)}`,
    `OS ${hex(cplc.osId)} release ${hex(cplc.osReleaseDate)} level ${hex(cplc.osReleaseLevel)}`,
    `made ${hex(cplc.icFabDate)}${dated(cplc.icFabDate)}`,
    `serial ${hex(cplc.icSerial)} batch ${hex(cplc.icBatch)}`,
    `personalized ${hex(cplc.persoDate)} by ${hex(cplc.personalizer)}`,
  ].join(", ");
}

const phases: Readonly<Record<number, string>> = {
  0x01: "ROM only",
  0x03: "operating system completed",
  0x0f: "terminated",
};
const cardStates: Readonly<Record<number, string>> = {
  0x00: "none yet",
  0x01: "OP_READY",
  0x07: "INITIALIZED",
  0x0f: "SECURED",
  0x7f: "CARD_LOCKED",
  0xff: "TERMINATED",
};

/** Chip status (docs/card-os.md 2): `DF01 0B` and eleven bytes. */
function statusText(data: Uint8Array): string {
  const status = value(data);
  if (status.length !== 11) throw new CardProblem("bad-response", "chip status", "it does not have 11 bytes");
  const [phase = 0, romMajor, romMinor, osMajor, osMinor, tries, high = 0, low = 0, size = 0, state = 0] =
    status;
  return [
    phases[phase] ?? `phase ${byte(phase)}`,
    `ROM ${String(romMajor)}.${String(romMinor)}`,
    phase === 0x01 ? `${String(tries)} loader tries left` : `OS ${String(osMajor)}.${String(osMinor)}`,
    `EEPROM ${String((((high << 8) | low) * size) / 1024)} KiB`,
    `card state ${cardStates[state] ?? byte(state)}`,
  ].join(", ");
}
