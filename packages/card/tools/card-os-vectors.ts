// Computes the vectors of the chip and its loader from docs/card-os.md, without the virtual card.
import { readFileSync } from "node:fs";
import { accessVectors } from "./access-vectors.js";
import { crc32, imageFolder } from "./image.js";
import { LoaderHost } from "./loader-host.js";
import { osVectors } from "./os-vectors.js";

interface Vector {
  readonly id: string;
  readonly source: string;
  readonly [field: string]: unknown;
}

interface VectorFile {
  readonly topic: string;
  readonly title: string;
  readonly notes: string;
  readonly hex: string;
  readonly count: number;
  readonly vectors: readonly Vector[];
}

export const vectorFile = new URL("../vectors/card-os.json", imageFolder);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase();
const unhex = (text: string): Buffer => Buffer.from(text, "hex");
const four = (n: number): Buffer => unhex(n.toString(16).padStart(8, "0"));

/** Section 9: what the mask holds, by number of area. */
const mask: readonly string[][] = [
  [
    "SELECT, GET DATA, INITIALIZE UPDATE, EXTERNAL AUTHENTICATE CHANNEL, CREATE FILE, DELETE FILE, ACTIVATE FILE",
    "DEACTIVATE FILE, TERMINATE CARD USAGE, READ BINARY, UPDATE BINARY, READ RECORD, UPDATE RECORD, APPEND RECORD",
    "VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, GET CHALLENGE, INTERNAL AUTHENTICATE",
    "EXTERNAL AUTHENTICATE, PUT KEY, SET STATUS, PROVE FILE",
  ],
  ["CYCLIC SLOT"],
  [
    "TEST RAM, ROM CHECKSUM, EEPROM CHECKSUM, TEST EEPROM, INITIALIZE LOADER, AUTHENTICATE LOADER, LOAD BLOCK",
    "LOAD KEYS, ACTIVATE",
  ],
];

function rom(): Buffer {
  const content = Buffer.alloc(8192, 0xff);
  unhex("50534C520100").copy(content);
  for (const [group, first] of [0x01, 0x20, 0x30].entries()) {
    for (const [i, name] of (mask[group] ?? []).join(", ").split(", ").entries()) {
      const area = Buffer.concat([Buffer.from(name, "ascii"), Buffer.alloc(1)]);
      let state = BigInt(crc32(Buffer.from(name, "ascii")));
      const code: number[] = [];
      while (area.length + code.length < 128) {
        state ^= (state << 13n) & 0xffffffffn;
        state ^= state >> 17n;
        state ^= (state << 5n) & 0xffffffffn;
        code.push(Number(state & 0xffn));
      }
      Buffer.concat([area, Buffer.from(code)]).copy(content, (first + i) * 128);
    }
  }
  return content;
}

function atr(historical: string): string {
  const length = historical.length / 2;
  const body = unhex(`${(0x90 + length).toString(16)}968131FE45${historical}`);
  return `3B${hex(body)}${hex(Uint8Array.of(body.reduce((xor, byte) => xor ^ byte, 0)))}`;
}

const chipNumber = "50530001020304050607";
const loaderKey = "404142434445464748494A4B4C4D4E4F";
const hostChallenge = "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF";
const cardChallenge = "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF";
const keySet = [
  "101112131415161718191A1B1C1D1E1F",
  "202122232425262728292A2B2C2D2E2F",
  "303132333435363738393A3B3C3D3E3F",
];

/** From the first command to the completed card, each command with the one right answer. */
function session(): { name: string; command: string; response: string }[] {
  const host = new LoaderHost(unhex(loaderKey), unhex(hostChallenge));
  const image = readFileSync(new URL("persoline-os-1.2.img", imageFolder));
  const proof = host.cardAnswer(unhex(chipNumber), unhex(cardChallenge));
  const steps: [string, Uint8Array, string][] = [
    ["GET DATA chip number", unhex("80CA00CF00"), `CF0A${chipNumber}9000`],
    ["GET DATA chip status", unhex("80CADF0100"), "DF010B01010000000302004000009000"],
    ["TEST RAM", unhex("80120000"), "9000"],
    ["ROM CHECKSUM", unhex("8014000004"), `${hex(four(crc32(rom())))}9000`],
    ["TEST EEPROM, chessboard, shortened pulse", unhex("8018010104000A0002"), "9000"],
    ["TEST EEPROM, inverse, shortened pulse", unhex("8018020104000A0002"), "9000"],
    [
      "EEPROM CHECKSUM",
      unhex("8016000004000A000204"),
      `${hex(four(crc32(Buffer.alloc(128, unhex("55AA")))))}9000`,
    ],
    ["INITIALIZE LOADER", host.initialize(), `${hex(proof)}9000`],
  ];
  if (!host.accepts(proof)) throw new Error("the host does not accept its own computation");
  steps.push(
    ["AUTHENTICATE LOADER", host.authenticate(), "9000"],
    ["LOAD BLOCK", host.loadBlock(0x0280, image), "9000"],
    ["LOAD KEYS", host.loadKeys(0x01, keySet.map(unhex)), "9000"],
    ["ACTIVATE", host.activate(0x0280, image.length, four(crc32(image))), "9000"],
    ["GET DATA chip number, before the reset", unhex("80CA00CF00"), "6985"],
  );
  return steps.map(([name, command, response]) => ({ name, command: hex(command), response }));
}

function chipVectors(): readonly Vector[] {
  const source = "docs/card-os.md, computed by packages/card/tools/card-os-vectors.ts";
  return [
    { id: "chip-rom", source, crc32: hex(four(crc32(rom()))) },
    { id: "chip-atr-rom-only", source, atr: atr("806650534C520100") },
    { id: "chip-atr-os-1.0", source, atr: atr("8073B621006650534C4F0100") },
    { id: "chip-atr-os-1.2", source, atr: atr("8073B621006650534C4F0102") },
    {
      id: "chip-loader-session",
      source,
      chipNumber,
      loaderKey,
      hostChallenge,
      cardChallenge,
      keySet,
      exchanges: session(),
    },
  ];
}

/** The file's text with the vectors of chip, loader, access and OS sessions in it; vectors of other makers stay as they are. */
export function withOwnVectors(text: string | undefined): string {
  const own: readonly Vector[] = [...chipVectors(), ...accessVectors(), ...osVectors()];
  const others =
    text === undefined
      ? []
      : (JSON.parse(text) as VectorFile).vectors.filter((vector) => !/^(chip|access|os)-/.test(vector.id));
  const vectors = [...own, ...others];
  const file: VectorFile = {
    topic: "card-os",
    title: "The commands of the virtual card that are its own",
    notes: "all keys are test keys",
    hex: "upper case, no spaces",
    count: vectors.length,
    vectors,
  };
  return `${JSON.stringify(file, undefined, 1)}\n`;
}
